// Question: how fast does the output of one process reach one subscriber, and what does it cost the server?
//
// A round is one whole command, from sending the request to the end of the response, with every payload byte counted.
//   chunks  `head -c N /dev/zero` writes as fast as it is read from; servers read it in chunks of up to 64 KiB
//   lines   `workload lines N` writes 80 bytes at a time, as a program does whose output is not buffered
//   pty     `head -c N /dev/zero` on a terminal, which hands out at most 4 KiB at a time
// `raw`, `c` and `ssh` encode nothing and stand in each figure, so that each ratio is one of the same run.

import { interleave } from "../rounds.mjs";
import { compileWorkload } from "../servers/compile.mjs";
import { cpuSeconds, difference, peakResidentMb, systemCalls } from "../servers/usage.mjs";

const LINE_BYTES = 80;
const roundCount = { full: 5, quick: 3 };

/**
 * @typedef {object} Kind
 * @property {string} what
 * @property {string[]} wanted
 * @property {boolean} [pty]
 * @property {(transport: import("../servers/lineup.mjs").Transport) => { full: number, quick: number }} megabytes
 * @property {(bytes: number) => string[] | undefined} argv  undefined: there is no compiler for it
 */

/** @type {Record<"chunks" | "lines" | "pty", Kind>} */
const kinds = {
  chunks: {
    what: "output in large chunks",
    wanted: ["holdfast", "plain", "raw", "c", "ssh", "peer"],
    // JSON moves less, since the plain handler takes twelve times longer for it.
    megabytes: ({ codec }) => (codec === "json" ? { full: 120, quick: 12 } : { full: 400, quick: 80 }),
    argv: (bytes) => ["head", "-c", String(bytes), "/dev/zero"],
  },
  lines: {
    what: "output in writes of 80 bytes",
    wanted: ["holdfast", "plain", "raw", "c", "ssh", "peer"],
    megabytes: () => ({ full: 40, quick: 6 }),
    argv: (bytes) => {
      const workload = compileWorkload();
      return workload && [workload, "lines", String(bytes / LINE_BYTES)];
    },
  },
  pty: {
    what: "output on a terminal",
    wanted: ["holdfast", "ssh", "peer"],
    pty: true,
    megabytes: () => ({ full: 30, quick: 8 }),
    argv: (bytes) => ["head", "-c", String(bytes), "/dev/zero"],
  },
};

/**
 * @param {keyof typeof kinds} kindName
 * @param {import("../servers/lineup.mjs").Transport} transport
 * @returns {import("./index.mjs").Figure}
 */
export function outputFigure(kindName, transport) {
  const { codec, http } = transport;
  const { what, wanted, megabytes, argv, pty = false } = kinds[kindName];
  const over = `${codec} over ${http === "h2c" ? "h2c" : "HTTP/1.1"}`;
  return {
    name: kindName === "chunks" ? `output-${codec}-${http}` : `output-${kindName}-${codec}-${http}`,
    question: `how fast does ${what} of one process reach one subscriber, ${over}?`,
    ...(pty ? { references: ["ssh"] } : {}),
    metrics: [
      { key: "mbPerSecond", label: "MB/s", digits: 0, ratio: true },
      { key: "cpuSecondsPerGb", label: "server CPU s/GB", digits: 2, ratio: true },
      { key: "peakMb", label: "peak MB", digits: 0 },
      { key: "readsPerMb", label: "reads/MB", digits: 1 },
      { key: "writesPerMb", label: "writes/MB", digits: 1 },
      { key: "clientBusyPercent", label: "client busy %", digits: 0 },
    ],
    async measure({ quick, lineup }) {
      const pace = quick ? "quick" : "full";
      const bytes = megabytes(transport)[pace] * 1e6;
      const command = argv(bytes);
      if (command === undefined) return { settings: "left out: no `cc` here", samples: {} };
      const samples = await lineup.withSubjects(wanted, transport, (subjects) =>
        interleave(subjects, roundCount[pace], (subject) => streamOnce(subject, command, bytes, pty)),
      );
      return { settings: `${roundCount[pace]} rounds of ${bytes / 1e6} MB`, samples };
    },
  };
}

/**
 * @param {import("../servers/lineup.mjs").Subject} subject
 * @param {string[]} argv
 * @param {number} bytes
 * @param {boolean} pty
 */
async function streamOnce({ server, client }, argv, bytes, pty) {
  await client.ready();
  const cpuBefore = cpuSeconds(server);
  const callsBefore = systemCalls(server);
  const clientBefore = process.cpuUsage();
  const startedMs = performance.now();
  const delivered = await client.run(argv, { pty });
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(clientBefore);
  const cpu = difference(cpuBefore, cpuSeconds(server));
  const calls = systemCalls(server);
  if (delivered !== bytes) throw new Error(`delivered ${delivered} of ${bytes} bytes`);
  const perMb = (/** @type {number | undefined} */ count) => count && count / (bytes / 1e6);
  return {
    mbPerSecond: bytes / 1e6 / seconds,
    cpuSecondsPerGb: cpu && cpu / (bytes / 1e9),
    peakMb: peakResidentMb(server),
    readsPerMb: perMb(difference(callsBefore.reads, calls.reads)),
    writesPerMb: perMb(difference(callsBefore.writes, calls.writes)),
    clientBusyPercent: (user + system) / 1e4 / seconds,
  };
}
