// @ts-check Builds console/ into files that the agent serves unchanged: names with a hash of the
// content, a copy for each content coding, a manifest, and the licences of the packages inside.
// Writes nothing beside `output`.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { addonSources } from "./addon-sources.mjs";
import { licenceTexts } from "./licences.mjs";

/**
 * @typedef {object} Asset
 * @property {string} path
 * @property {string} type
 * @property {string} text
 * @property {boolean} [immutable]
 * @property {boolean} [isSeldomRead]  it is not stored in compressed form
 */

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";
const HTML = "text/html; charset=utf-8";
const HASH_CHARACTERS = 16;

/** In the order of the cascade. */
const styles = ["tokens", "page", "controls", "table", "terminal", "files"];

/**
 * @param {string} root
 * @param {string} output  an existing folder
 */
export async function buildConsole(root, output) {
  const { assets: scripts, main, packages } = await bundleScripts(root);
  const style = bundleStyles(root);
  const page = readFileSync(join(root, "console/index.html"), "utf8")
    .replace("MAIN_SCRIPT", main)
    .replace("MAIN_STYLE", style.path);
  /** @type {Asset[]} */
  const assets = [
    { path: "index.html", type: HTML, text: page, immutable: false },
    ...scripts,
    style,
    {
      path: "licences.txt",
      type: "text/plain; charset=utf-8",
      text: licenceTexts(root, packages),
      immutable: false,
      isSeldomRead: true,
    },
  ];
  mkdirSync(join(output, "assets"), { recursive: true });
  const files = assets.map((asset) => writeAsset(output, asset));
  writeFileSync(join(output, "manifest.json"), `${JSON.stringify({ files }, null, 1)}\n`);
}

/** @param {string} root */
async function bundleScripts(root) {
  const build = await rolldown({
    input: { main: join(root, "console/main.tsx") },
    platform: "browser",
    plugins: [addonSources(root)],
    checks: { bundlerTimings: false },
    transform: {
      // xterm.js answers some queries wrongly if it is lowered further.
      target: "es2022",
    },
    onLog(level, log) {
      if (level === "warn") throw new Error(log.message);
    },
  });
  const { output: chunks } = await build.generate({
    format: "es",
    entryFileNames: `assets/[name]-[hash:${HASH_CHARACTERS}].js`,
    chunkFileNames: `assets/[name]-[hash:${HASH_CHARACTERS}].js`,
    minify: true,
    comments: false,
  });
  await build.close();
  /** @type {Asset[]} */
  const assets = [];
  const packages = new Set();
  let main = "";
  for (const chunk of chunks) {
    if (chunk.type !== "chunk") continue;
    assets.push({ path: chunk.fileName, type: SCRIPT, text: chunk.code });
    if (chunk.isEntry) main = chunk.fileName;
    for (const file of chunk.moduleIds) {
      const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(file) ?? [];
      if (name !== undefined) packages.add(name);
    }
  }
  return { assets, main, packages: [...packages].sort() };
}

/**
 * @param {string} root
 * @returns {Asset}
 */
function bundleStyles(root) {
  const files = [
    join(root, "node_modules/@xterm/xterm/css/xterm.css"),
    ...styles.map((name) => join(root, `console/style/${name}.css`)),
  ];
  const text = files
    .map((file) => readFileSync(file, "utf8"))
    .join("\n")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,]) ?/g, "$1");
  return { path: `assets/main-${hashOf(text).slice(0, HASH_CHARACTERS)}.css`, type: STYLE, text };
}

/**
 * @param {string} output
 * @param {Asset} asset
 */
function writeAsset(output, { path, type, text, immutable, isSeldomRead }) {
  const file = join(output, path);
  writeFileSync(file, text);
  const entry = { path, type, sha256: hashOf(text), ...(immutable === false ? { immutable } : {}) };
  // It is completed at each request.
  if (path === "index.html" || isSeldomRead) return entry;
  writeFileSync(`${file}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
  writeFileSync(`${file}.gz`, gzipSync(text, { level: 9 }));
  return { ...entry, encodings: ["br", "gzip"] };
}

/** @param {string} text */
function hashOf(text) {
  return createHash("sha256").update(text).digest("hex");
}

const script = fileURLToPath(import.meta.url);
const [, command, output] = process.argv;
if (command === script && output !== undefined) await buildConsole(dirname(dirname(dirname(script))), output);
