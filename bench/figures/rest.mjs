// Questions: does the agent sleep when nothing happens, and how much memory does it use then? How long does
// the first request take after its code was paged out?

import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { interleave } from "../rounds.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { scratchPath } from "../servers/scratch.mjs";
import { anonymousMb, residentMb } from "../servers/usage.mjs";
import { bareNodeScript } from "./memory.mjs";

/** The agent pages out after 5 s and stores its compiled code; V8 collects garbage some more times after the start. */
const SETTLE_MS = 30_000;

/** @returns {import("./index.mjs").Figure} */
export function restFigure() {
  return {
    name: "rest",
    question: "how often does it wake up when nothing happens, and what is resident then?",
    references: ["node"],
    metrics: [
      { key: "wakeUps", label: "wake-ups", digits: 0 },
      { key: "wakeUpsConnected", label: "wake-ups, one idle connection", digits: 0 },
      { key: "residentMb", label: "resident MB", digits: 1, ratio: true },
      { key: "anonymousMb", label: "anonymous MB", digits: 1, ratio: true },
      { key: "healthMs", label: "first /health ms", digits: 1 },
      { key: "listMs", label: "first List ms", digits: 1 },
    ],
    async measure({ quick }) {
      const [rounds, seconds] = quick ? [1, 5] : [3, 60];
      const node = ownNode();
      const [, ...holdfast] = holdfastCommand();
      const subjects = [
        { name: "holdfast", command: [node, ...holdfast] },
        { name: "kept", command: [node, ...holdfast, "--no-page-out"] },
        { name: "node", command: [node, bareNodeScript] },
      ];
      const samples = await interleave(subjects, rounds, (subject) => restOnce(subject, seconds));
      return { settings: `${rounds} rounds of ${seconds} s; kept: --no-page-out`, samples };
    },
  };
}

/** The kernel keeps pages that another program maps, so no other program may run this Node. */
function ownNode() {
  const path = scratchPath("node-for-rest");
  copyFileSync(process.execPath, path);
  return path;
}

/** @param {{ name: string, command: string[] }} subject @param {number} seconds */
async function restOnce({ name, command }, seconds) {
  const server = await launch(name, command);
  await pause(SETTLE_MS);
  const wakeUps = await wakeUpsIn(server, seconds);
  const memory = { residentMb: residentMb(server), anonymousMb: anonymousMb(server) };
  const requests =
    name === "node"
      ? {}
      : { ...(await timeRequests(server.url)), ...(await wakeUpsConnected(server, seconds)) };
  await server.stop();
  return { wakeUps, ...memory, ...requests };
}

/** @param {string} url */
async function timeRequests(url) {
  const healthMs = await timed(() => fetch(`${url}/health`));
  const listMs = await timed(() =>
    fetch(`${url}/process.Process/List`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    }),
  );
  return { healthMs, listMs };
}

/** @param {() => Promise<Response>} request */
async function timed(request) {
  const startedMs = performance.now();
  const response = await request();
  await response.arrayBuffer();
  return performance.now() - startedMs;
}

/** @param {import("../servers/launch.mjs").Server} server @param {number} seconds */
async function wakeUpsConnected(server, seconds) {
  const { port, hostname } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await new Promise((resolve, reject) => socket.once("data", resolve).once("error", reject));
  await pause(SETTLE_MS);
  const wakeUps = await wakeUpsIn(server, seconds);
  socket.destroy();
  return { wakeUpsConnected: wakeUps };
}

/**
 * How often its threads stopped waiting. @param {import("../servers/launch.mjs").Server} server
 * @param {number} seconds
 */
async function wakeUpsIn(server, seconds) {
  const before = waits(server);
  await pause(seconds * 1000);
  return waits(server) - before;
}

/** @param {import("../servers/launch.mjs").Server} server */
function waits(server) {
  return server
    .pids()
    .flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/status`))
    .map((path) => Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(path, "utf8"))?.[1]))
    .reduce((sum, count) => sum + count, 0);
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
