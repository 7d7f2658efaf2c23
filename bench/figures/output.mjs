// Question: how fast does the output of one process reach one subscriber, and what does it cost the server?
//
// `head -c N /dev/zero` writes as fast as it is read from; servers read it in chunks of up to 64 KiB. A round is one
// whole command, from sending the request to the end of the response, with every payload byte counted. `raw` and `c`
// encode nothing and stand in each of the four figures, so that each ratio is one of the same run.

import { interleave } from "../rounds.mjs";
import { cpuSeconds, peakResidentMb } from "../servers/usage.mjs";

/** JSON moves less, since the plain handler takes twelve times longer for it. */
const megabytes = { binary: { full: 400, quick: 120 }, json: { full: 120, quick: 25 } };
const roundCount = { full: 7, quick: 3 };

/** @param {import("../servers/lineup.mjs").Transport} transport @returns {import("./index.mjs").Figure} */
export function outputFigure(transport) {
  const { codec, http } = transport;
  return {
    name: `output-${codec}-${http}`,
    question: `how fast does one process's output reach one subscriber, ${codec} over ${http === "h2c" ? "h2c" : "HTTP/1.1"}?`,
    metrics: [
      { key: "mbPerSecond", label: "MB/s", digits: 0, ratio: true },
      { key: "cpuSecondsPerGb", label: "server CPU s/GB", digits: 2, ratio: true },
      { key: "peakMb", label: "peak MB", digits: 0 },
      { key: "clientBusyPercent", label: "client busy %", digits: 0 },
    ],
    async measure({ quick, lineup }) {
      const pace = quick ? "quick" : "full";
      const bytes = megabytes[codec][pace] * 1e6;
      const samples = await lineup.withSubjects(
        ["holdfast", "plain", "raw", "c", "peer"],
        transport,
        (subjects) => interleave(subjects, roundCount[pace], (subject) => streamOnce(subject, bytes)),
      );
      return { settings: `${roundCount[pace]} rounds of ${bytes / 1e6} MB`, samples };
    },
  };
}

/** @param {import("../servers/lineup.mjs").Subject} subject @param {number} bytes */
async function streamOnce({ server, client }, bytes) {
  await client.ready();
  const cpuBefore = cpuSeconds(server.pid);
  const clientBefore = process.cpuUsage();
  const startedMs = performance.now();
  const delivered = await client.run(["head", "-c", String(bytes), "/dev/zero"]);
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(clientBefore);
  const cpuAfter = cpuSeconds(server.pid);
  if (delivered !== bytes) throw new Error(`delivered ${delivered} of ${bytes} bytes`);
  return {
    mbPerSecond: bytes / 1e6 / seconds,
    cpuSecondsPerGb:
      cpuBefore === undefined || cpuAfter === undefined ? undefined : (cpuAfter - cpuBefore) / (bytes / 1e9),
    peakMb: peakResidentMb(server.pid),
    clientBusyPercent: (user + system) / 1e4 / seconds,
  };
}
