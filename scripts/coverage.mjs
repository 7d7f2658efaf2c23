// @ts-check
// `npm run coverage`: runs the tests (or those that the arguments name) and shows which share of the lines of src they reach, in
// their own process and in the agents and commands that they start. Fails with the tests; no share is too low.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { packageFiles } from "./bundle.mjs";

const root = join(import.meta.dirname, "..");
const bundle = join(root, "dist/bundle");
const folder = mkdtempSync(join(tmpdir(), "holdfast-coverage-"));
const [ofTests, ofChildren] = [join(folder, "tests"), join(folder, "children")];

try {
  mkdirSync(ofChildren);
  // Some agents run as another user.
  chmodSync(folder, 0o755);
  chmodSync(ofChildren, 0o777);
  const files = await packageFiles(root);
  const restore = preventCompiledForms(files);
  try {
    process.exitCode = runTests();
  } finally {
    restore();
  }
  const lines = linesOfTests();
  addLinesOfChildren(lines, files);
  report(lines);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * The command keeps V8's compiled form of each file, in which branches are not counted. Folders in the places of these files
 * keep it from doing so. Returns how to undo that.
 * @param {{ name: string, hash: string }[]} files
 */
function preventCompiledForms(files) {
  const places = files.map(({ name, hash }) =>
    join(bundle, `${name}.${hash}.${process.version}-${process.arch}.compiled`),
  );
  const remove = () => {
    for (const place of places) rmSync(place, { recursive: true, force: true });
  };
  remove();
  for (const place of places) mkdirSync(place);
  return remove;
}

function runTests() {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", "-c", "test/coverage.config.ts", "--coverage", ...process.argv.slice(2)];
  const env = {
    ...process.env,
    HOLDFAST_COVERAGE_OF_TESTS: ofTests,
    HOLDFAST_COVERAGE_OF_CHILDREN: ofChildren,
  };
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env }).status ?? 1;
}

/**
 * The lines of src on which a statement begins, by file, and whether a test reached them.
 * @returns {Map<string, Map<number, boolean>>}
 */
function linesOfTests() {
  /** @type {Record<string, { statementMap: Record<string, { start: { line: number } }>, s: Record<string, number> }>} */
  const coverage = JSON.parse(readFileSync(join(ofTests, "coverage-final.json"), "utf8"));
  const lines = new Map();
  for (const [file, { statementMap, s }] of Object.entries(coverage)) {
    const reached = new Map();
    for (const [id, { start }] of Object.entries(statementMap)) {
      reached.set(start.line, reached.get(start.line) === true || (s[id] ?? 0) > 0);
    }
    lines.set(relative(root, file), reached);
  }
  return lines;
}

/**
 * Adds what V8 counted in the processes that the tests started.
 * @param {Map<string, Map<number, boolean>>} lines
 * @param {Awaited<ReturnType<typeof packageFiles>>} files
 */
function addLinesOfChildren(lines, files) {
  const bundled = new Map(files.map((file) => [pathToFileURL(join(bundle, file.name)).href, placesOf(file)]));
  for (const name of readdirSync(ofChildren)) {
    const written = readFileSync(join(ofChildren, name), "utf8");
    // Empty or cut short by a SIGKILL.
    if (!written.endsWith("}")) continue;
    /** @type {{ result: { url: string, functions: { ranges: Range[] }[] }[] }} */
    const { result } = JSON.parse(written);
    for (const { url, functions } of result) {
      const places = bundled.get(url);
      if (places === undefined) continue;
      const ranges = functions.flatMap((one) => one.ranges);
      for (const { file, line } of reachedOf(places, ranges)) {
        const reached = lines.get(file);
        if (reached?.has(line)) reached.set(line, true);
      }
    }
  }
}

/** @typedef {{ startOffset: number, endOffset: number, count: number }} Range */
/** @typedef {{ generatedLine: number, originalSource?: string, originalLine: number }} SourceMapEntry */
/** @typedef {{ offset: number, file: string, line: number }} Place */

/**
 * Where each line of a bundled file comes from, in the order of the file.
 * @param {Awaited<ReturnType<typeof packageFiles>>[number]} file
 */
function placesOf({ text, sourceMap }) {
  if (sourceMap === null || sourceMap === undefined) return [];
  const map = new SourceMap(JSON.parse(sourceMap.toString()));
  /** @type {Place[]} */
  const places = [];
  let lineStart = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const column = line.search(/\S/);
    /** @type {SourceMapEntry | undefined} */
    const entry = column < 0 ? undefined : /** @type {any} */ (map.findEntry(index, column));
    if (entry?.originalSource !== undefined && entry.generatedLine === index) {
      const file = relative(root, resolve(root, "dist", entry.originalSource));
      places.push({ offset: lineStart + column, file, line: entry.originalLine + 1 });
    }
    lineStart += line.length + 1;
  }
  return places;
}

/**
 * The places that ran. V8 lists outer ranges before inner ones, and the innermost decides.
 * @param {Place[]} places
 * @param {Range[]} ranges
 */
function reachedOf(places, ranges) {
  const counts = new Int32Array(places.length);
  for (const { startOffset, endOffset, count } of ranges) {
    counts.fill(count, firstAt(places, startOffset), firstAt(places, endOffset));
  }
  return places.filter((_, index) => (counts[index] ?? 0) > 0);
}

/**
 * The index of the first place at `offset` or after it.
 * @param {Place[]} places
 * @param {number} offset
 */
function firstAt(places, offset) {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle]?.offset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param {Map<string, Map<number, boolean>>} lines */
function report(lines) {
  const files = [...lines].map(([file, reached]) => {
    const missed = [...reached].filter(([, isReached]) => !isReached).map(([line]) => line);
    return { file, lines: reached.size, missed };
  });
  const folderOf = (/** @type {string} */ file) => file.split("/").slice(0, -1).slice(0, 2).join("/");
  const groups = new Map();
  for (const { file, lines, missed } of files) {
    for (const group of [folderOf(file), "all"]) {
      const sum = groups.get(group) ?? { lines: 0, missed: 0 };
      groups.set(group, { lines: sum.lines + lines, missed: sum.missed + missed.length });
    }
  }
  console.log("\nlines reached by the tests, in their own process and in those that they start");
  for (const [group, { lines, missed }] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const share = (((lines - missed) / lines) * 100).toFixed(1);
    console.log(`${group.padEnd(18)} ${share.padStart(5)} %  ${lines - missed} of ${lines}`);
  }
  const worst = files.filter(({ missed }) => missed.length > 0);
  worst.sort((a, b) => b.missed.length - a.missed.length);
  console.log("\nmost lines that no test reaches");
  for (const { file, missed } of worst.slice(0, 15)) {
    const listed = missed.sort((a, b) => a - b).slice(0, 12);
    console.log(`${file}: ${listed.join(", ")}${missed.length > listed.length ? ", …" : ""}`);
  }
  const all = Object.fromEntries(files.map(({ file, missed }) => [file, missed]));
  mkdirSync(join(root, "coverage"), { recursive: true });
  writeFileSync(join(root, "coverage/missed-lines.json"), `${JSON.stringify(all, null, 2)}\n`);
}
