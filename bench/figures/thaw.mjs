// Question: what happens when an agent with a thousand attached processes continues after a pause?
//
// Each round stops the agent for longer than a keepalive interval with SIGSTOP, as a paused VM stops, and continues it. The health check
// is the first request after that; the CPU time is that of the second after it.

import { inBatches } from "../clients/batches.mjs";
import { checkHealth } from "../clients/check-health.mjs";
import { openHttp1 } from "../clients/http1.mjs";
import { latenciesMs } from "../clients/latencies.mjs";
import { openClient } from "../clients/open.mjs";
import { startSession } from "../clients/session.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { cpuSeconds, difference } from "../servers/usage.mjs";

const transport = /** @type {const} */ ({ http: "http1", codec: "json" });
const KEEPALIVE_SECONDS = 3;
const PAUSE_MS = 4000;
const AFTER_MS = 1000;
const WARM_UP_STARTS = 50;
const SILENT = ["sleep", "infinity"];

/** @returns {import("./index.mjs").Figure} */
export function thawFigure() {
  return {
    name: "thaw",
    question: "what happens when an agent with many attached processes continues after a pause?",
    references: [],
    metrics: [
      { key: "healthMs", label: "first /health ms", digits: 1 },
      { key: "cpuMs", label: "CPU ms in 1 s", digits: 1 },
      { key: "keepalives", label: "keepalives per stream in 1 s", digits: 2 },
      { key: "idleCpuMs", label: "CPU ms in 1 s without a pause", digits: 1 },
    ],
    async measure({ quick }) {
      const [count, rounds] = quick ? [100, 3] : [1000, 10];
      return {
        settings: `${rounds} pauses of ${PAUSE_MS} ms; ${count} streams with a keepalive every ${KEEPALIVE_SECONDS} s`,
        samples: { holdfast: await pauseOften(count, rounds) },
      };
    },
  };
}

/** @param {number} count @param {number} rounds @returns {Promise<import("../report.mjs").Sample[]>} */
async function pauseOften(count, rounds) {
  const limits = ["--max-processes", "2000", "--max-streams", "2000", "--no-page-out"];
  const server = await launch("holdfast", [
    ...holdfastCommand(),
    ...limits,
    "--keepalive",
    `${KEEPALIVE_SECONDS}s`,
  ]);
  const [pid = 0] = server.pids();
  const warmUp = openClient("connect", server.url, transport);
  await latenciesMs(warmUp, ["/bin/true"], WARM_UP_STARTS);
  warmUp.close();
  let keepalives = 0;
  const connections = Array.from({ length: count }, () => openHttp1(server.url));
  await inBatches(connections, async (connection) => {
    const onOutput = () => undefined;
    const onKeepalive = () => void keepalives++;
    const { ended } = await startSession(connection, { argv: SILENT }, onOutput, onKeepalive);
    // It ends with its agent.
    ended.catch(() => undefined);
  });
  const health = openHttp1(server.url);
  const samples = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(AFTER_MS);
    const idleFrom = cpuSeconds(server);
    await sleep(AFTER_MS);
    const idle = difference(idleFrom, cpuSeconds(server));
    await checkHealth(health);
    process.kill(pid, "SIGSTOP");
    await sleep(PAUSE_MS);
    const before = cpuSeconds(server);
    keepalives = 0;
    process.kill(pid, "SIGCONT");
    const startedMs = performance.now();
    await checkHealth(health);
    const healthMs = performance.now() - startedMs;
    await sleep(AFTER_MS - healthMs);
    const cpu = difference(before, cpuSeconds(server));
    samples.push({
      healthMs,
      cpuMs: cpu && cpu * 1000,
      keepalives: keepalives / count,
      idleCpuMs: idle && idle * 1000,
    });
  }
  for (const connection of [...connections, health]) connection.close();
  await server.stop();
  return samples;
}

/** @param {number} ms @returns {Promise<void>} */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
