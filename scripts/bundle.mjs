// @ts-check
// src/cli and all its imports as CommonJS: for the package as several files, so that a command
// loads only those it needs, and for the single executable as one file.

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { threadSource } from "./thread-source.mjs";

/** These contain native code, which cannot be bundled, and find it by their own path. */
export const nativePackages = [/^koffi$/, /^node-pty/];

/** Not even "dce-only", the default: see keepChecks. */
const minify = false;

/** The length of the hash in front of each file's text; src/cli/main.cts uses the same. */
const HASH_CHARACTERS = 16;

/**
 * Writes `output`/command-line.cjs and its lazily loaded chunks. The chunk names contain a hash of
 * their content, because an agent that survives an in-place upgrade must not load chunks of the
 * next version. Each file holds a function expression, as src/cli/main.cts expects, in ASCII (V8
 * stores two bytes per character if one of them is beyond Latin-1), behind a hash of its text.
 * @param {string} root
 * @param {string} output  an existing folder
 */
async function bundlePackage(root, output) {
  for (const { name, text } of await packageFiles(root)) writeFileSync(join(output, name), text);
}

/**
 * The files of the package's bundle. `sourceMap` says where the lines of each come from, except that
 * columns after a character beyond ASCII and those of the first line are too small.
 * @param {string} root
 */
export async function packageFiles(root) {
  const external = nativePackages;
  const build = await open(root, { external, plugins: [threadSource(root, { external })] });
  const { output: chunks } = await build.generate({
    format: "cjs",
    entryFileNames: "[name].cjs",
    chunkFileNames: "[name]-[hash].cjs",
    comments: false,
    minify,
    sourcemap: "hidden",
    strict: true,
  });
  await build.close();
  return chunks.flatMap((chunk) => {
    if (chunk.type !== "chunk") return [];
    const body = loadLate(chunk.code.replace(/^#!.*/, ""));
    const code = `(function (exports, require, module, __filename, __dirname) {${body}\n})`;
    const text = escapeBeyondAscii(code);
    const hash = createHash("sha256").update(text).digest("hex").slice(0, HASH_CHARACTERS);
    return [{ name: chunk.fileName, text: `/*${hash}*/${text}`, hash, sourceMap: chunk.map }];
  });
}

/**
 * One file in ASCII, as above.
 * @param {string} root
 * @param {string} file
 * @param {import("rolldown").Plugin} plugin
 */
export async function bundleExecutable(root, file, plugin) {
  // Its other hooks are about the whole agent.
  const ofThread = { name: plugin.name, load: plugin.load };
  const build = await open(root, { plugins: [plugin, threadSource(root, { plugins: [ofThread] })] });
  // Without code splitting no import() is left, because a script with a code cache cannot use
  // import().
  const { output } = await build.generate({
    format: "cjs",
    codeSplitting: false,
    comments: false,
    minify,
    strict: true,
  });
  await build.close();
  const [{ code }] = output;
  writeFileSync(file, escapeBeyondAscii(code));
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
    // On a busy machine the times of plugins are warnings, and each warning is an error here.
    checks: { bundlerTimings: false },
    onLog(level, log) {
      // Code that the bundler warns about does not work in the bundle. How long a build takes says nothing about the code.
      if (level === "warn" && log.code !== "PLUGIN_TIMINGS") throw new Error(log.message);
    },
  });
}

/**
 * The bundler removes calls of these functions if their result is unused, as if they never threw.
 * protobuf-es checks with them whether a text is valid Unicode. The bundler does not know them by
 * another name.
 */
const keepChecks = {
  name: "keep-checks",
  /** @param {string} code */
  transform: (code) => ({
    code: code
      .replace(/^(\s*)((?:en|de)codeURI(?:Component)?\()/gm, "$1globalThis.$2")
      // For executables as subcommands, which holdfast has none of.
      .replace(
        /^const childProcess = require\('node:child_process'\);/m,
        "const childProcess = { get spawn() { return require('node:child_process').spawn; } };",
      )
      // string-width needs it for text beyond ASCII only; it takes every table 5 ms.
      .replace(
        /^const segmenter = new Intl\.Segmenter\(\);/m,
        "let made; const segmenter = { segment: (text) => (made ??= new Intl.Segmenter()).segment(text) };",
      )
      // Connect-Node compresses only on request; see lateModules.
      .replace(
        /^const (\w+) = promisify\(zlib\.(\w+)\);/gm,
        "const $1 = (...args) => promisify(zlib.$2)(...args);",
      ),
    // The lines stay where they are.
    map: null,
  }),
};

/** Parts of Node that most commands, or an agent before its first call, do not use. Together they take a start 25 ms. */
const lateModules = [
  "child_process",
  "crypto",
  "fs/promises",
  "http2",
  "https",
  "module",
  "perf_hooks",
  "tls",
  "worker_threads",
  "zlib",
];

/**
 * Makes a chunk load these parts of Node when it first uses them. The bundler loads them with the chunk. The lines stay
 * where they are.
 * @param {string} code
 */
function loadLate(code) {
  let late = code;
  for (const name of lateModules) {
    const variable = `node_${name.replace("/", "_")}`;
    const loaded = new RegExp(
      `let ${variable} = require\\("node:${name}"\\);\\n(${variable} = (.*)\\(${variable}(.*)\\);\\n)?`,
    );
    const [statement, conversion, convert = "", flags = ""] = loaded.exec(late) ?? [];
    if (statement === undefined) continue;
    const value = `require("node:${name}")`;
    const converted = conversion === undefined ? value : `${convert}(${value}${flags})`;
    const [before = "", after = ""] = late.split(statement);
    const use = (/** @type {string} */ part) =>
      part
        .split("\n")
        // The source of a thread is one text, which loads the parts of Node itself.
        .map((line) => (line.startsWith("const THREAD_SOURCE = ") ? line : useLate(line, variable)))
        .join("\n");
    const lineBreaks = conversion === undefined ? "\n" : "\n\n";
    late = `${use(before)}let late_${variable}; const ${variable} = () => (late_${variable} ??= ${converted});${lineBreaks}${use(after)}`;
  }
  return late;
}

/** @param {string} line @param {string} variable */
function useLate(line, variable) {
  return line
    .replace(new RegExp(`\\bnew ${variable}\\b`, "g"), `new (${variable}())`)
    .replace(new RegExp(`\\b${variable}\\b(?!\\(\\))`, "g"), `${variable}()`);
}

/**
 * Outside of comments, which are removed, JavaScript accepts the escape wherever it accepts the
 * character. @param {string} code
 */
function escapeBeyondAscii(code) {
  return code.replace(
    /[^\0-\x7f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const script = fileURLToPath(import.meta.url);
const [, command, output] = process.argv;
if (command === script && output !== undefined) await bundlePackage(dirname(dirname(script)), output);
