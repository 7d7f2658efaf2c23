// @ts-check
// Measures start time and memory of an agent: `node scripts/measure-start.mjs COMMAND…`, where
// COMMAND is any form of `holdfast`. Starts it once uncounted and then nine times, each for 7 s; prints
// medians of the time from the start of the command to its listening line, and of its memory.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const RUNS = 9;
/** It returns the memory of the code that only the start needs at once, and that of all code after 5 s without work. */
const STARTED_MS = 500;
const IDLE_MS = 7000;
const [command = "", ...args] = process.argv.slice(2);

/** @typedef {{ startMs: number, peakMb: number, startedMb: number, idleMb: number, ownMb: number }} Run */
/** @type {Run[]} */
const runs = [];
// The first start saves its compiled code a second later (src/cli/main.cts).
await measure();
for (let run = 0; run < RUNS; run += 1) runs.push(await measure());
const median = (/** @type {keyof Run} */ what) =>
  runs
    .map((run) => run[what])
    .sort((a, b) => a - b)
    [RUNS >> 1]?.toFixed(0);
process.stdout.write(
  `${median("startMs")} ms to listening, ${median("peakMb")} MB at most, ${median("startedMb")} MB resident after the start, ` +
    `${median("idleMb")} MB when idle, ${median("ownMb")} MB of it anonymous\n`,
);

/** @returns {Promise<Run>} */
async function measure() {
  const start = performance.now();
  const child = spawn(command, [...args, "serve", "--port", "0", "--log-format", "json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ready = readyPid(child.stderr);
  await once(createInterface(child.stdout), "line");
  const startMs = performance.now() - start;
  // Not child.pid: npx runs the agent as its own child.
  const pid = await ready;
  await new Promise((resolve) => setTimeout(resolve, STARTED_MS));
  const started = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS - STARTED_MS));
  const idle = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const peakMb = megabytes(readFileSync(`/proc/${pid}/status`, "utf8"), "VmHWM");
  const exit = once(child, "exit");
  process.kill(pid, "SIGTERM");
  await exit;
  return {
    startMs,
    peakMb,
    startedMb: megabytes(started, "Rss"),
    idleMb: megabytes(idle, "Rss"),
    ownMb: megabytes(idle, "Anonymous"),
  };
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
