// Question: do the list, the metrics and the health check stay quick in a large agent, and does its memory grow in
// proportion?
//
// Each subject is an agent of its own: with idle attached processes, with ended ones that are retained, with many clients of
// one process, or beside floods. A flood is `yes` into a client that reads as fast as it can.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { inBatches } from "../clients/batches.mjs";
import { openHttp1 } from "../clients/http1.mjs";
import { latenciesMs } from "../clients/latencies.mjs";
import { openClient } from "../clients/open.mjs";
import { connectRequest, startSession } from "../clients/session.mjs";
import { percentile } from "../report.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { cpuSeconds, difference, residentMb } from "../servers/usage.mjs";

const run = promisify(execFile);

const transport = /** @type {const} */ ({ http: "http1", codec: "json" });
const limits = [
  ...["--max-processes", "6000", "--max-streams", "8000", "--max-streams-per-process", "4000"],
  ...["--max-retained", "20000", "--retain-ended", "1h", "--no-page-out"],
  // An open stream counts 48 KiB.
  ...["--memory-budget", "512MiB"],
];
const REST_MS = 3000;
const HEALTH_CHECKS = 200;

/** @returns {import("./index.mjs").Figure} */
export function scaleFigure() {
  return {
    name: "scale",
    question: "does a large agent stay quick?",
    references: ["empty"],
    metrics: [
      { key: "kbEach", label: "KB each", digits: 1 },
      { key: "cpuPercent", label: "CPU % at rest", digits: 2 },
      { key: "listMs", label: "List ms", digits: 1 },
      { key: "metricsMs", label: "metrics ms", digits: 1 },
      { key: "healthP99Ms", label: "/health p99 ms", digits: 2 },
    ],
    async measure({ quick, say }) {
      const share = quick ? 0.1 : 1;
      const subjects = [
        { name: "empty", count: 0, fill: async () => undefined },
        { name: "idle", count: 2500 * share, fill: attachMany },
        { name: "idle, twice", count: 5000 * share, fill: attachMany },
        { name: "ended", count: 10_000 * share, fill: endMany },
        { name: "ended, twice", count: 20_000 * share, fill: endMany },
        { name: "streams of one", count: 2000 * share, fill: watchOne },
        { name: "floods", count: 64, fill: floodMany, isBusy: true },
      ];
      /** @type {Record<string, import("../report.mjs").Sample[]>} */
      const samples = {};
      for (const subject of subjects) {
        say(`${subject.count} ${subject.name}`);
        samples[subject.name] = [await fillAndMeasure(subject)];
      }
      const counts = subjects.map(({ name, count }) => `${name}: ${count}`).join(", ");
      return { settings: `one round, a fresh agent each; ${counts}`, samples };
    },
  };
}

/**
 * @typedef {object} Subject
 * @property {number} count
 * @property {boolean} [isBusy]  its CPU at rest and its memory say nothing
 * @property {(url: string, count: number) => Promise<void | (() => void)>} fill  resolves with what ends it
 */

/** @param {Subject} subject */
async function fillAndMeasure({ count, fill, isBusy = false }) {
  const server = await launch("holdfast", [...holdfastCommand(), ...limits]);
  try {
    const client = openClient("connect", server.url, transport);
    await latenciesMs(client, ["/bin/true"], 50);
    client.close();
    await read(server.url, "metrics/prometheus");
    const before = residentMb(server);
    const empty = await fill(server.url, count);
    const grown = difference(before, residentMb(server));
    const cpuBefore = cpuSeconds(server);
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const cpu = difference(cpuBefore, cpuSeconds(server));
    const listMs = await medianMs(() => list(server.url));
    const metricsMs = await medianMs(() => read(server.url, "metrics/prometheus"));
    const checks = await healthChecksMs(server.url);
    empty?.();
    return {
      kbEach: count === 0 || isBusy ? undefined : grown && (grown * 1000) / count,
      cpuPercent: isBusy ? undefined : cpu && (cpu * 1e5) / REST_MS,
      listMs,
      metricsMs,
      healthP99Ms: percentile(checks, 99),
    };
  } finally {
    await server.stop();
  }
}

/** The first page, as `ps` asks for it. @param {string} url */
async function list(url) {
  const response = await fetch(`${url}/process.Process/List`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ includeEnded: true, omitConfig: true, pageSize: 1000 }),
  });
  await response.arrayBuffer();
}

/** @param {string} url @param {string} path */
async function read(url, path) {
  const response = await fetch(`${url}/${path}`);
  await response.arrayBuffer();
}

/** @param {string} url @returns {Promise<number[]>} */
async function healthChecksMs(url) {
  const program = new URL("../clients/health.mjs", import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [program, url, `${HEALTH_CHECKS}`]);
  return JSON.parse(stdout);
}

/** @param {() => Promise<void>} request */
async function timedMs(request) {
  const startedMs = performance.now();
  await request();
  return performance.now() - startedMs;
}

/** @param {() => Promise<void>} request */
async function medianMs(request) {
  const times = [];
  for (let n = 0; n < 5; n++) times.push(await timedMs(request));
  return percentile(times, 50);
}

/** @param {string} url @param {number} count */
async function attachMany(url, count) {
  const connections = Array.from({ length: count }, () => openHttp1(url));
  await inBatches(connections, async (connection) => {
    const { ended } = await startSession(connection, { argv: ["sleep", "infinity"] }, () => undefined);
    ended.catch(() => undefined);
  });
  return () => closeAll(connections);
}

/** @param {string} url @param {number} count */
async function endMany(url, count) {
  const clients = Array.from({ length: BATCH }, () => openClient("connect", url, transport));
  await Promise.all(
    clients.map(async (client, index) => {
      for (let n = index; n < count; n += BATCH) await client.run(["/bin/true"]);
      client.close();
    }),
  );
}

/** @param {string} url @param {number} count */
async function watchOne(url, count) {
  const first = openHttp1(url);
  const { pid, ended } = await startSession(first, { argv: ["sleep", "infinity"] }, () => undefined);
  ended.catch(() => undefined);
  const request = connectRequest(pid, "json");
  const connections = Array.from({ length: count }, () => openHttp1(url));
  await inBatches(
    connections,
    (connection) =>
      new Promise((resolve, reject) => {
        connection.exchange(request, () => resolve(undefined)).catch(reject);
      }),
  );
  return () => closeAll([first, ...connections]);
}

/** @param {string} url @param {number} count */
async function floodMany(url, count) {
  const connections = Array.from({ length: count }, () => openHttp1(url));
  await inBatches(connections, async (connection) => {
    const { ended } = await startSession(connection, { argv: ["yes"] }, () => undefined);
    ended.catch(() => undefined);
  });
  return () => closeAll(connections);
}

/** @param {import("../clients/http1.mjs").Connection[]} connections */
function closeAll(connections) {
  for (const connection of connections) connection.close();
}
