// @ts-check
// src/cli and all it imports, as CommonJS: for the package as several files, of which a command loads those it needs, and
// for the single executable as one.

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** Nobody can bundle what is no JavaScript; these find their native parts by their own place. */
const nativePackages = [/^koffi$/, /^node-pty/];

/** Not even "dce-only", the default: see keepChecks. */
const minify = false;

/** So long is what a file says of its text; src/cli/main.cts knows. */
const HASH_CHARACTERS = 16;

/**
 * Writes `output`/command-line.cjs and the chunks it imports later, whose names tell their contents: an agent that outlives an
 * upgrade in place must not load what belongs to the next one. Each holds a function expression as src/cli/main.cts wants it, in
 * ASCII (of a text with one character beyond Latin-1, V8 keeps two bytes for each), behind a hash of its text.
 * @param {string} root
 * @param {string} output  exists
 */
async function bundlePackage(root, output) {
  const build = await open(root, { external: nativePackages });
  const { output: chunks } = await build.generate({
    format: "cjs",
    entryFileNames: "[name].cjs",
    chunkFileNames: "[name]-[hash].cjs",
    comments: false,
    minify,
    strict: true,
  });
  await build.close();
  for (const chunk of chunks) {
    if (chunk.type !== "chunk") throw new Error(`${chunk.fileName} is no JavaScript`);
    const code = `(function (exports, require, module, __filename, __dirname) {${chunk.code.replace(/^#!.*/, "")}\n})`;
    const text = escapeBeyondAscii(code);
    const hash = createHash("sha256").update(text).digest("hex").slice(0, HASH_CHARACTERS);
    writeFileSync(join(output, chunk.fileName), `/*${hash}*/${text}`);
  }
}

/**
 * @param {string} root
 * @param {string} file
 * @param {import("rolldown").Plugin} plugin
 */
export async function bundleExecutable(root, file, plugin) {
  const build = await open(root, { plugins: [plugin] });
  // Without code splitting no import() is left, which a script with a code cache cannot have.
  await build.write({ file, format: "cjs", codeSplitting: false, minify, strict: true });
  await build.close();
}

/**
 * @param {string} root
 * @param {import("rolldown").InputOptions} options
 */
function open(root, options) {
  return rolldown({
    ...options,
    plugins: [keepChecks, options.plugins],
    input: join(root, "src/cli/command-line.ts"),
    platform: "node",
    onLog(level, log) {
      // What a bundler warns of does not work in the bundle.
      if (level === "warn") throw new Error(log.message);
    },
  });
}

/**
 * The bundler removes calls of these functions where nobody uses the result, as if they never threw: but so protobuf-es
 * checks whether a text is valid Unicode. By another name it leaves them alone.
 */
const keepChecks = {
  name: "keep-checks",
  /** @param {string} code */
  transform: (code) => code.replace(/^(\s*)((?:en|de)codeURI(?:Component)?\()/gm, "$1globalThis.$2"),
};

/** Outside of comments, which are gone, JavaScript takes the escape wherever it takes the character. @param {string} code */
function escapeBeyondAscii(code) {
  return code.replace(
    /[^\0-\x7f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const script = fileURLToPath(import.meta.url);
const [, command, output] = process.argv;
if (command === script && output !== undefined) await bundlePackage(dirname(dirname(script)), output);
