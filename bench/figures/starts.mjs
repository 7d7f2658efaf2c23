// Question: how long does one short command take from request to end, what does it cost the server, and does that grow with
// what the server holds or with how many start at once?
//
// `/bin/true` or `bash -c :`: from sending the request to the last byte of the response, which a server may send only once
// the process is gone. JSON, which is what the E2B SDKs speak, on keep-alive HTTP/1.1 connections.

import { latenciesMs } from "../clients/latencies.mjs";
import { openClient } from "../clients/open.mjs";
import { percentile } from "../report.mjs";
import { interleave } from "../rounds.mjs";
import { cpuSeconds, difference, peakResidentMb } from "../servers/usage.mjs";

const transport = /** @type {const} */ ({ codec: "json", http: "http1" });
const AT_ONCE = 32;
const HELD_BYTES = 200e6;
/** Ended processes may hold half of the budget. */
const holding = ["--memory-budget", "512MiB", "--replay", "224MiB", "--retain-ended", "1h"];

/** @type {import("../report.mjs").Metric[]} */
const sequentialMetrics = [
  { key: "p50Ms", label: "p50 ms", digits: 2, ratio: true },
  { key: "p99Ms", label: "p99 ms", digits: 2, ratio: true },
  { key: "cpuMsPerStart", label: "server CPU ms", digits: 2, ratio: true },
  { key: "peakMb", label: "peak MB", digits: 0 },
];

/** @param {string} name @param {string[]} argv @param {string[]} wanted @returns {import("./index.mjs").Figure} */
export function startLatencyFigure(name, argv, wanted) {
  return {
    name: `start-latency-${name}`,
    question: `how long does \`${argv.join(" ")}\` take from request to end, one after the other?`,
    metrics: sequentialMetrics,
    async measure({ quick, lineup }) {
      const [rounds, starts] = quick ? [2, 80] : [7, 200];
      const samples = await lineup.withSubjects(wanted, transport, (subjects) =>
        interleave(subjects, rounds, (subject) => startMany(subject, argv, starts)),
      );
      return { settings: `${rounds} rounds of ${starts} starts`, samples };
    },
  };
}

/** @returns {import("./index.mjs").Figure} */
export function startLatencyHeldFigure() {
  return {
    name: "start-latency-held",
    question: "does /bin/true take longer while the agent holds 200 MB of output?",
    references: ["nothing held"],
    metrics: sequentialMetrics,
    async measure({ quick, lineup }) {
      const [rounds, starts] = quick ? [2, 80] : [7, 200];
      const wanted = ["nothing held", "200 MB held"].map((as) => ({ server: "holdfast", as, args: holding }));
      const samples = await lineup.withSubjects(wanted, transport, async (subjects) => {
        await subjects
          .find(({ name }) => name === "200 MB held")
          ?.client.run(["head", "-c", String(HELD_BYTES), "/dev/zero"]);
        return interleave(subjects, rounds, (subject) => startMany(subject, ["/bin/true"], starts));
      });
      return { settings: `${rounds} rounds of ${starts} starts`, samples };
    },
  };
}

/** @returns {import("./index.mjs").Figure} */
export function startsAtOnceFigure() {
  return {
    name: "starts-at-once",
    question: `how many /bin/true a second, ${AT_ONCE} at a time?`,
    metrics: [
      { key: "perSecond", label: "starts/s", digits: 0, ratio: true },
      { key: "cpuMsPerStart", label: "server CPU ms", digits: 2, ratio: true },
    ],
    async measure({ quick, lineup }) {
      const [rounds, starts] = quick ? [2, 480] : [5, 960];
      const samples = await lineup.withSubjects(["holdfast", "plain", "raw", "peer"], transport, (subjects) =>
        interleave(subjects, rounds, (subject) => startAtOnce(subject, starts)),
      );
      return { settings: `${rounds} rounds of ${starts} starts`, samples };
    },
  };
}

/** @param {import("../servers/lineup.mjs").Subject} subject @param {string[]} argv @param {number} starts */
async function startMany({ server, client }, argv, starts) {
  await client.ready();
  const cpuBefore = cpuSeconds(server);
  const latencies = await latenciesMs(client, argv, starts);
  const cpu = difference(cpuBefore, cpuSeconds(server));
  return {
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    cpuMsPerStart: cpu && (cpu * 1000) / starts,
    peakMb: peakResidentMb(server),
  };
}

/** Each connection runs its share, one after the other. @param {import("../servers/lineup.mjs").Subject} subject @param {number} starts */
async function startAtOnce({ server, speaks }, starts) {
  const clients = Array.from({ length: AT_ONCE }, () => openClient(speaks, server.url, transport));
  await Promise.all(clients.map((client) => client.ready()));
  const cpuBefore = cpuSeconds(server);
  const startedMs = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < starts / AT_ONCE; i++) await client.run(["/bin/true"]);
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = difference(cpuBefore, cpuSeconds(server));
  for (const client of clients) client.close();
  return { perSecond: starts / seconds, cpuMsPerStart: cpu && (cpu * 1000) / starts };
}
