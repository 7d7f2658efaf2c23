// Questions: how soon does the agent listen, how much memory does it use at rest, and how much
// after a large volume of output?

import { fileURLToPath } from "node:url";
import { openClient } from "../clients/open.mjs";
import { interleave } from "../rounds.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { anonymousMb, residentMb } from "../servers/usage.mjs";

/** Time for the garbage of the start to be collected, and for the compiled code to be saved. */
const SETTLE_MS = 1500;

/** @type {import("../report.mjs").Metric[]} */
const memoryMetrics = [
  { key: "residentMb", label: "resident MB", digits: 1, ratio: true },
  { key: "anonymousMb", label: "anonymous MB", digits: 1, ratio: true },
];

export const bareNodeScript = fileURLToPath(new URL("../servers/bare-node.mjs", import.meta.url));
const bareNode = [process.execPath, bareNodeScript];

/** @returns {import("./index.mjs").Figure} */
export function idleFigure() {
  return {
    name: "idle",
    question: "how soon after exec does it listen, and what is resident then?",
    references: ["node"],
    metrics: [{ key: "listeningMs", label: "to listening ms", digits: 0, ratio: true }, ...memoryMetrics],
    async measure({ quick }) {
      const rounds = quick ? 1 : 5;
      const commands = [
        { name: "holdfast", command: holdfastCommand() },
        { name: "node", command: bareNode },
      ];
      const samples = await interleave(commands, rounds, ({ name, command }) => startOnce(name, command));
      return { settings: `${rounds} starts`, samples };
    },
  };
}

/** @returns {import("./index.mjs").Figure} */
export function streamedFigure() {
  return {
    name: "streamed",
    question: "how much is resident after much output has gone through?",
    references: ["fresh"],
    metrics: memoryMetrics,
    async measure({ quick }) {
      const [rounds, bytes] = quick ? [1, 5e8] : [2, 5e9];
      const subjects = ["fresh", "streamed"].map((name) => ({ name, bytes: name === "fresh" ? 0 : bytes }));
      const samples = await interleave(subjects, rounds, (subject) => streamThrough(subject.bytes));
      return { settings: `${rounds} rounds of ${bytes / 1e9} GB`, samples };
    },
  };
}

/** @param {string} name @param {string[]} command */
async function startOnce(name, command) {
  const startedMs = performance.now();
  const server = await launch(name, command);
  const listeningMs = performance.now() - startedMs;
  await settle();
  const sample = { listeningMs, residentMb: residentMb(server), anonymousMb: anonymousMb(server) };
  await server.stop();
  return sample;
}

/** @param {number} bytes */
async function streamThrough(bytes) {
  const server = await launch("holdfast", holdfastCommand());
  const client = openClient("connect", server.url, { http: "http1", codec: "binary" });
  if (bytes > 0) await client.run(["head", "-c", String(bytes), "/dev/zero"]);
  await settle();
  const sample = { residentMb: residentMb(server), anonymousMb: anonymousMb(server) };
  client.close();
  await server.stop();
  return sample;
}

function settle() {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
