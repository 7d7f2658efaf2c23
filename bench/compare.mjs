// Compares two commits: both are built in worktrees of their own and measured alternately, so that a machine that
// slows down or speeds up does so for both.
//
//   node bench/compare.mjs BASE [CHANGED] [--rounds N] [--only NAME]... [--quick]
//
// CHANGED is HEAD if it is not given. Prints for each metric the median of both and their ratio.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { mediansOf } from "./history.mjs";
import { median } from "./report.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const usage = "usage: node bench/compare.mjs BASE [CHANGED] [--rounds N] [--only NAME]... [--quick]";

const { commits, rounds, flags } = readArguments();
const work = mkdtempSync(join(tmpdir(), "holdfast-compare-"));
process.once("exit", removeWork);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const trees = commits.map((commit, index) => checkOut(commit, join(work, index === 0 ? "base" : "changed")));
/** @type {Map<string, number[][]>} */
const values = new Map();
for (let round = 0; round < rounds; round++) {
  for (const [index, tree] of trees.entries()) collect(measure(tree), index);
}
for (const [name, [base = [], changed = []]] of values) {
  if (base.length === 0 || changed.length === 0) continue;
  const [before, after] = [median(base), median(changed)];
  console.log(`${name.padEnd(52)} ${format(before)} ${format(after)}  ×${(after / before).toFixed(2)}`);
}

function readArguments() {
  try {
    const { values: options, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: "string", default: "3" },
        only: { type: "string", multiple: true, default: [] },
        quick: { type: "boolean", default: false },
      },
    });
    const [base, changed = "HEAD", ...others] = positionals;
    const count = Number(options.rounds);
    if (base === undefined || others.length > 0) throw new Error("one or two commits are needed");
    if (!Number.isInteger(count) || count < 1) throw new Error(`--rounds ${options.rounds}: not a count`);
    const only = options.only.flatMap((name) => ["--only", name]);
    return { commits: [base, changed], rounds: count, flags: options.quick ? [...only, "--quick"] : only };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

/** Only the server is of the commit; the bench that measures is this one. @param {string} commit @param {string} tree */
function checkOut(commit, tree) {
  run("git", ["worktree", "add", "--quiet", "--detach", tree, commit], root);
  run(process.execPath, ["scripts/setup.mjs", "--build"], tree);
  return tree;
}

/** @param {string} tree */
function measure(tree) {
  const args = [join(root, "bench/main.mjs"), "--json", "--servers", "holdfast", ...flags];
  const env = { ...process.env, BENCH_HOLDFAST: join(tree, "dist/cli/main.cjs") };
  return JSON.parse(run(process.execPath, args, root, env));
}

/** @param {{ figures: Parameters<typeof mediansOf>[0] }} result @param {number} index  of the commit */
function collect(result, index) {
  for (const [figure, servers] of Object.entries(mediansOf(result.figures))) {
    for (const [server, metrics] of Object.entries(servers)) {
      for (const [key, value] of Object.entries(metrics)) {
        const name = `${figure} ${server} ${key}`;
        const both = values.get(name) ?? [[], []];
        both[index]?.push(value);
        values.set(name, both);
      }
    }
  }
}

/** @param {string} file @param {string[]} args @param {string} cwd @param {NodeJS.ProcessEnv} [env] */
function run(file, args, cwd, env = process.env) {
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd,
    env,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (status === 0) return stdout;
  console.error(`${file} ${args.join(" ")} in ${cwd} failed:\n${stderr.slice(-4_000)}`);
  return process.exit(1);
}

/** @param {number} value */
function format(value) {
  return value.toPrecision(4).padStart(10);
}

function removeWork() {
  for (const tree of ["base", "changed"])
    spawnSync("git", ["worktree", "remove", "--force", join(work, tree)], { cwd: root });
  rmSync(work, { recursive: true, force: true });
}
