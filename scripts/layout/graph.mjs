// @ts-check
// `npm run graph` fails on a circle of imports and on an import against the layout, and prints the graph of the folders.
// `npm run graph -- --files` prints the graph of all files in the language of Graphviz instead (`| dot -Tsvg`).

import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";

const folder = import.meta.dirname;
const root = join(folder, "../..");
const asFiles = process.argv.includes("--files");

install();
cruise(["--output-type", "err"], 2);
if (asFiles) {
  cruise(["--output-type", "dot", "--include-only", "^src/"], 1);
} else {
  const byFolder = ["--include-only", "^src/[^/]+/", "--collapse", "^src/[^/]+/"];
  process.stdout.write(folderGraph(JSON.parse(cruise(["--output-type", "json", ...byFolder], "pipe"))));
}

/**
 * As a diagram in the language of Mermaid; an arrow means "imports".
 * @param {{ modules: { source: string, dependencies: { resolved: string }[] }[] }} graph
 */
function folderGraph({ modules }) {
  /** @param {string} path */
  const nameOf = (path) => path.replace(/^src\//, "").replace(/\/$/, "");
  const arrows = modules.flatMap(({ source, dependencies }) =>
    dependencies.map(({ resolved }) => `  ${nameOf(source)} --> ${nameOf(resolved)}\n`),
  );
  return `flowchart LR\n${arrows.sort().join("")}`;
}

/** Quick when nothing is missing. */
function install() {
  const installed = modifiedMs(join(folder, "node_modules/.package-lock.json"));
  if (installed >= modifiedMs(join(folder, "package-lock.json"))) return;
  process.stderr.write("graph: installing dependency-cruiser\n");
  run("npm", ["ci", "--prefix", folder, "--ignore-scripts"], 2);
}

/**
 * @param {string[]} args
 * @param {number | "pipe"} stdout  the descriptor that receives the output; "pipe" returns it
 */
function cruise(args, stdout) {
  const cruiser = join(folder, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  return run(
    process.execPath,
    [cruiser, "--config", join(folder, "dependency-cruiser.config.mjs"), ...args, "src"],
    stdout,
  );
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {number | "pipe"} stdout
 */
function run(command, args, stdout) {
  const options = { cwd: root, encoding: /** @type {const} */ ("utf8"), maxBuffer: 64 * 1024 * 1024 };
  const result = spawnSync(command, args, { ...options, stdio: ["ignore", stdout, 2] });
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result.stdout;
}

/** @param {string} file */
function modifiedMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
