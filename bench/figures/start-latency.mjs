// Question: how long does one short command take from request to end, and what does it cost the server?
//
// `/bin/true`, one after the other on one keep-alive HTTP/1.1 connection: from sending the request to the last byte of
// the response, which a server may send only once the process is gone. JSON, which is what the E2B SDKs speak.

import { percentile } from "../report.mjs";
import { interleave } from "../rounds.mjs";
import { cpuSeconds, peakResidentMb } from "../servers/usage.mjs";

const startsPerRound = { full: 300, quick: 80 };
const roundCount = { full: 9, quick: 4 };

/** @returns {import("./index.mjs").Figure} */
export function startLatencyFigure() {
  return {
    name: "start-latency",
    question: "how long does /bin/true take from request to end, one after the other?",
    metrics: [
      { key: "p50Ms", label: "p50 ms", digits: 2, ratio: true },
      { key: "p99Ms", label: "p99 ms", digits: 2, ratio: true },
      { key: "cpuMsPerStart", label: "server CPU ms", digits: 2, ratio: true },
      { key: "peakMb", label: "peak MB", digits: 0 },
    ],
    async measure({ quick, lineup }) {
      const pace = quick ? "quick" : "full";
      const starts = startsPerRound[pace];
      const transport = /** @type {const} */ ({ codec: "json", http: "http1" });
      const samples = await lineup.withSubjects(["holdfast", "plain", "raw", "peer"], transport, (subjects) =>
        interleave(subjects, roundCount[pace], (subject) => startMany(subject, starts)),
      );
      return { settings: `${roundCount[pace]} rounds of ${starts} starts`, samples };
    },
  };
}

/** @param {import("../servers/lineup.mjs").Subject} subject @param {number} starts */
async function startMany({ server, client }, starts) {
  await client.ready();
  const cpuBefore = cpuSeconds(server.pid);
  /** @type {number[]} */
  const latenciesMs = [];
  for (let i = 0; i < starts; i++) {
    const startedMs = performance.now();
    await client.run(["/bin/true"]);
    latenciesMs.push(performance.now() - startedMs);
  }
  const cpuAfter = cpuSeconds(server.pid);
  return {
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
    cpuMsPerStart:
      cpuBefore === undefined || cpuAfter === undefined
        ? undefined
        : ((cpuAfter - cpuBefore) * 1000) / starts,
    peakMb: peakResidentMb(server.pid),
  };
}
