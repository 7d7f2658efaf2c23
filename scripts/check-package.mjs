// @ts-check Checks the files that `npm pack` would publish: the built command, the exports of
// package.json with their types, and the documents, but nothing that only the repository needs.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { LAUNCHER_HEAD } from "./launcher-head.mjs";

const MAX_CONSOLE_BYTES = 300_000;

const manifest = JSON.parse(readFileSync("package.json", "utf8"));

const required = [
  ...exportedFiles(manifest.exports),
  "CHANGELOG.md",
  "LICENSE",
  "README.md",
  "dist/cli/main.cjs",
  "dist/bundle/command-line.cjs",
  "dist/console/index.html",
  "dist/console/licences.txt",
  "dist/console/manifest.json",
  "docs/background/architecture.md",
  "package.json",
  "proto/process.proto",
];
const permitted = [
  /^(CHANGELOG|README)\.md$/,
  /^LICENSE$/,
  /^package\.json$/,
  // The command.
  /^dist\/(cli\/main|bundle\/[\w-]+)\.cjs$/,
  // The web console.
  /^dist\/console\/(index\.html|manifest\.json|licences\.txt)$/,
  /^dist\/console\/assets\/[\w-]+\.(js|css)(\.br|\.gz)?$/,
  // The client and its shared modules.
  /^dist\/((client|gen)\/.+|clock|deferred|errors|text)\.js$/,
  // Types of the client and of its shared modules.
  /^dist\/(client|gen)\/.+\.d\.ts$/,
  /^dist\/(clock|deferred|errors|text)\.d\.ts$/,
  /^proto\/.+\.proto$/,
  /^docs\/.+$/,
];

const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
  encoding: "utf8",
  stdio: ["ignore", "pipe", "ignore"],
});
/** @type {{ path: string, mode: number, size: number }[]} */
const files = JSON.parse(output)[0].files;
const names = new Set(files.map((file) => file.path));

const problems = [
  ...required.filter((name) => !names.has(name)).map((name) => `${name} is missing`),
  ...[...names]
    .filter((name) => !permitted.some((p) => p.test(name)))
    .map((name) => `${name} does not belong`),
  ...(names.has("dist/cli/main.cjs") ? commandProblems("dist/cli/main.cjs") : []),
  ...consoleProblems(),
];
if (problems.length > 0) {
  process.stderr.write(`${problems.map((problem) => `package: ${problem}`).join("\n")}\n`);
  process.exitCode = 1;
}

/**
 * Every file that an import of the package can resolve to.
 * @param {string | Record<string, unknown>} target
 * @returns {string[]}
 */
function exportedFiles(target) {
  if (typeof target === "string") return [target.replace(/^\.\//, "")];
  return Object.values(target).flatMap((inner) =>
    exportedFiles(/** @type {string | Record<string, unknown>} */ (inner)),
  );
}

/** The two compressed forms of the web console, which are what browsers load. */
function consoleProblems() {
  const compressed = files.filter(({ path }) => /^dist\/console\/.+\.(br|gz)$/.test(path));
  const bytes = compressed.reduce((sum, { size }) => sum + size, 0);
  return bytes <= MAX_CONSOLE_BYTES
    ? []
    : [`the compressed files of the console have ${bytes} bytes, and may have ${MAX_CONSOLE_BYTES}`];
}

/** @param {string} command */
function commandProblems(command) {
  const bin = manifest.bin.holdfast;
  return [
    ...(bin === command ? [] : [`bin.holdfast is ${bin} and not ${command}`]),
    ...(readFileSync(command, "utf8").startsWith(LAUNCHER_HEAD)
      ? []
      : [`${command} does not begin with the launcher`]),
  ];
}
