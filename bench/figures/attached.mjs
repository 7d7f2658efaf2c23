// Question: how much do many attached, nearly idle processes cost, and does one more command take
// longer beside them?
//
// `workload tick 10`, a line every ten seconds, each attached over its own HTTP/1.1 connection. CPU
// at rest is the agent's use in three seconds; KB per process is the agent's growth divided by
// their number.

import { inBatches } from "../clients/batches.mjs";
import { openHttp1 } from "../clients/http1.mjs";
import { latenciesMs } from "../clients/latencies.mjs";
import { openClient } from "../clients/open.mjs";
import { startSession } from "../clients/session.mjs";
import { percentile } from "../report.mjs";
import { compileWorkload } from "../servers/compile.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { cpuSeconds, difference, residentMb } from "../servers/usage.mjs";

const transport = /** @type {const} */ ({ http: "http1", codec: "json" });
const REST_MS = 3000;
const COMMANDS = 50;
const TICK_SECONDS = "10";

/** @returns {import("./index.mjs").Figure} */
export function attachedFigure() {
  return {
    name: "attached",
    question: "what do many attached, mostly idle processes cost?",
    references: ["1 attached"],
    metrics: [
      { key: "kbPerProcess", label: "KB per process", digits: 1 },
      { key: "cpuPercent", label: "CPU % at rest", digits: 2 },
      { key: "p50Ms", label: "one more p50 ms", digits: 2, ratio: true },
      { key: "p99Ms", label: "one more p99 ms", digits: 2, ratio: true },
    ],
    async measure({ quick }) {
      const argv = [
        compileWorkload() ?? "sleep",
        ...(compileWorkload() ? ["tick", TICK_SECONDS] : ["infinity"]),
      ];
      const counts = quick ? [1, 100] : [1, 100, 1000];
      const rounds = quick ? 1 : 2;
      /** @type {Record<string, import("../report.mjs").Sample[]>} */
      const samples = Object.fromEntries(counts.map((count) => [`${count} attached`, []]));
      for (let round = 0; round < rounds; round++)
        for (const count of counts) samples[`${count} attached`]?.push(await attachMany(count, argv));
      return { settings: `${rounds} rounds, a fresh agent each`, samples };
    },
  };
}

/** @param {number} count @param {string[]} argv */
async function attachMany(count, argv) {
  const limits = ["--max-processes", "2000", "--max-streams", "2000"];
  const server = await launch("holdfast", [...holdfastCommand(), ...limits]);
  const client = openClient("connect", server.url, transport);
  // Before the measurement, because the first commands load and compile code.
  await latenciesMs(client, ["/bin/true"], COMMANDS);
  const before = residentMb(server);
  const connections = Array.from({ length: count }, () => openHttp1(server.url));
  await inBatches(connections, (connection) => attach(connection, argv));
  const cpuBefore = cpuSeconds(server);
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const cpu = difference(cpuBefore, cpuSeconds(server));
  const grown = difference(before, residentMb(server));
  const latencies = await latenciesMs(client, ["/bin/true"], COMMANDS);
  for (const connection of connections) connection.close();
  client.close();
  await server.stop();
  return {
    kbPerProcess: count === 1 ? undefined : grown && (grown * 1000) / count,
    cpuPercent: cpu && (cpu * 1e5) / REST_MS,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
  };
}

/** @param {import("../clients/http1.mjs").Connection} connection @param {string[]} argv */
async function attach(connection, argv) {
  const { ended } = await startSession(connection, { argv }, () => undefined);
  // It ends with its agent.
  ended.catch(() => undefined);
}
