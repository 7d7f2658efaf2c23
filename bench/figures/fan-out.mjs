// Question: what does it cost the server to deliver one process's output to many subscribers?
//
// A process waits for a line. Subscribers attach over one connection each, then the line is sent,
// and the process writes N bytes as fast as the slowest of them reads. The CPU seconds are per GB
// delivered to all subscribers together.

import { createFrameCounter } from "../clients/frames.mjs";
import { openHttp1 } from "../clients/http1.mjs";
import { connectRequest, sendInput, startSession } from "../clients/session.mjs";
import { interleave } from "../rounds.mjs";
import { cpuSeconds, difference, peakResidentMb } from "../servers/usage.mjs";

const roundCount = { full: 5, quick: 2 };
/** Bytes per subscriber, chosen so that all rounds take about the same time. */
const megabytes = {
  binary: { 1: 300, 8: 80, 64: 16 },
  json: { 1: 150, 8: 60, 64: 12 },
};
const QUICK_PART = 5;

/** @param {"binary" | "json"} codec @returns {import("./index.mjs").Figure} */
export function fanOutFigure(codec) {
  return {
    name: `fan-out-${codec}`,
    question: `what does one process's output cost delivered to many, ${codec} over HTTP/1.1?`,
    references: ["1 subscriber"],
    metrics: [
      { key: "cpuSecondsPerGb", label: "server CPU s/GB", digits: 2, ratio: true },
      { key: "mbPerSecond", label: "MB/s delivered", digits: 0, ratio: true },
      { key: "peakMb", label: "peak MB", digits: 0 },
    ],
    async measure({ quick, lineup }) {
      const rounds = roundCount[quick ? "quick" : "full"];
      const sizes = Object.entries(megabytes[codec]).map(([count, mb]) => ({
        count: Number(count),
        bytes: (mb * 1e6) / (quick ? QUICK_PART : 1),
        as: `${count} subscriber${count === "1" ? "" : "s"}`,
      }));
      const wanted = sizes.map(({ as }) => ({ server: "holdfast", as }));
      const samples = await lineup.withSubjects(wanted, { http: "http1", codec }, (subjects) =>
        interleave(subjects, rounds, (subject) => {
          const size = sizes.find(({ as }) => as === subject.name);
          if (size === undefined) throw new Error("one subject for each size");
          return fanOutOnce(subject.server, codec, size);
        }),
      );
      return { settings: `${rounds} rounds`, samples };
    },
  };
}

/**
 * @param {import("../servers/launch.mjs").Server} server
 * @param {"binary" | "json"} codec
 * @param {{ count: number, bytes: number }} size
 */
async function fanOutOnce(server, codec, { count, bytes }) {
  const starter = openHttp1(server.url);
  const argv = ["sh", "-c", `read line; exec head -c ${bytes} /dev/zero`];
  const { pid, ended } = await startSession(starter, { argv, stdin: true }, () => undefined);
  // Not one of the measured subscribers: it leaves.
  ended.catch(() => undefined);
  starter.close();
  const subscribers = Array.from({ length: count }, () => subscribe(server.url, pid, codec));
  await Promise.all(subscribers.map(({ attached }) => attached));
  const control = openHttp1(server.url);
  await control.ready();
  const cpuBefore = cpuSeconds(server);
  const startedMs = performance.now();
  await sendInput(control, pid, Buffer.from("\n"), "stdin");
  for (const delivered of await Promise.all(subscribers.map(({ delivered }) => delivered)))
    if (delivered !== bytes) throw new Error(`delivered ${delivered} of ${bytes} bytes`);
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = difference(cpuBefore, cpuSeconds(server));
  control.close();
  return {
    cpuSecondsPerGb: cpu && cpu / ((bytes * count) / 1e9),
    mbPerSecond: (bytes * count) / 1e6 / seconds,
    peakMb: peakResidentMb(server),
  };
}

/** @param {string} url @param {number} pid @param {"binary" | "json"} codec */
function subscribe(url, pid, codec) {
  const connection = openHttp1(url);
  const counter = createFrameCounter(codec);
  const request = connectRequest(pid, codec);
  /** @type {() => void} */
  let onAttached = () => undefined;
  /** @type {Promise<void>} */
  const attached = new Promise((resolve) => {
    onAttached = resolve;
  });
  const delivered = connection
    .exchange(request, (chunk, start, end) => {
      onAttached();
      counter.feed(chunk, start, end);
    })
    .then(() => {
      connection.close();
      return counter.finish().payloadBytes;
    });
  return { attached, delivered };
}
