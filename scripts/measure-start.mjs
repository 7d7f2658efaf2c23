// @ts-check
// Measures start time and memory of an agent: `node scripts/measure-start.mjs COMMAND…`, where
// COMMAND is any form of `holdfast`. Starts it once uncounted and then nine times; prints medians
// of the time from the start of the command to its listening line.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const RUNS = 9;
/** After a second the first start saves its compiled code (src/cli/main.cts). */
const FIRST_MS = 1500;
const [command = "", ...args] = process.argv.slice(2);

/** @type {{ startMs: number, residentMb: number, ownMb: number }[]} */
const runs = [];
await measure(FIRST_MS);
for (let run = 0; run < RUNS; run += 1) runs.push(await measure());
const median = (/** @type {"startMs" | "residentMb" | "ownMb"} */ what) =>
  runs
    .map((run) => run[what])
    .sort((a, b) => a - b)
    [RUNS >> 1]?.toFixed(0);
process.stdout.write(
  `${median("startMs")} ms to listening, ${median("residentMb")} MB resident, ${median("ownMb")} MB of it anonymous\n`,
);

/** @param {number} [lifeMs]  how long it runs before it is stopped */
async function measure(lifeMs = 0) {
  const start = performance.now();
  const child = spawn(command, [...args, "serve", "--port", "0", "--log-format", "json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ready = readyPid(child.stderr);
  await once(createInterface(child.stdout), "line");
  const startMs = performance.now() - start;
  // Not child.pid: npx runs the agent as its own child.
  const pid = await ready;
  const memory = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  await new Promise((resolve) => setTimeout(resolve, lifeMs));
  const exit = once(child, "exit");
  process.kill(pid, "SIGTERM");
  await exit;
  return { startMs, residentMb: megabytes(memory, "Rss"), ownMb: megabytes(memory, "Anonymous") };
}

/**
 * The pid in the agent's first log lines, which are mixed with those of npx.
 * @param {import("node:stream").Readable} log
 */
async function readyPid(log) {
  let text = "";
  for await (const piece of log) {
    text += piece;
    const [, pid] = /"pid":(\d+).*"msg":"ready"/.exec(text) ?? [];
    if (pid !== undefined) return Number(pid);
  }
  throw new Error(`the command ended: ${text}`);
}

/**
 * @param {string} memory
 * @param {string} name
 */
function megabytes(memory, name) {
  const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(memory) ?? [];
  return (Number(kib) * 1024) / 1e6;
}
