// Hostile clients do everything at once for a while: compressed bombs, huge arguments and tags, unread streams and answers,
// slow and unfinished requests, polling. The agent's memory stays bounded (rule 14), and the stream of another client flows
// on (rule 15).

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { Signal } from "../../../src/gen/process_pb.ts";
import { startStream } from "../clients/stream-client.ts";
import { eventually } from "../proc/proc.ts";
import { peakRssBytes } from "../proc/proc-activity.ts";
import { startAgent } from "./agent.ts";
import { plainClient } from "./running-processes.ts";

const MIB = 1024 * 1024;
const BUDGET_BYTES = 64 * MIB;
const hostileClients = fileURLToPath(new URL("../../fixtures/hostile-clients.mjs", import.meta.url));

/** How long its main thread was ready to run while no processor was free. */
function waitedForCpuMs(pid: number): number {
  const [, nanoseconds] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "latin1").split(" ");
  return Number(nanoseconds) / 1e6;
}

/** Attacks an agent with its default limits for `seconds`. Throws if a promise is broken. */
export async function surviveHostileClients(seconds: number): Promise<void> {
  const agent = await startAgent({ args: ["--retain-ended", "1s"], prefix: ["prlimit", "--nofile=20000"] });
  // Time in which the agent and this test waited for a processor is not a pause of the agent's making.
  const ownTime = () => performance.now() - waitedForCpuMs(agent.pid) - waitedForCpuMs(process.pid);
  let lastAt = ownTime();
  let longestPauseMs = 0;
  const onData = () => {
    const now = ownTime();
    longestPauseMs = Math.max(longestPauseMs, now - lastAt);
    lastAt = now;
  };
  const script = "while :; do echo tick; sleep 0.05; done";
  const live = startStream(
    agent.port,
    { process: { cmd: "sh", args: ["-c", script] }, tag: "live" },
    { onData },
  );
  await live.started();
  const sink = startStream(agent.port, {
    process: { cmd: "sh", args: ["-c", "cat >/dev/null"] },
    tag: "sink",
    stdin: true,
  });
  await sink.started();

  const attackers = spawn(process.execPath, [hostileClients, String(agent.port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void attackers.kill("SIGKILL"));
  const gone = once(attackers, "exit");
  await once(attackers.stdout, "data");
  lastAt = ownTime();
  longestPauseMs = 0;
  // The attack's duration, by the ticks of the live stream.
  const endAt = performance.now() + seconds * 1000;
  await eventually(
    "the end of the attack",
    () => performance.now() >= endAt,
    () => longestPauseMs,
    seconds * 2000,
  );
  const peakBytes = peakRssBytes(agent.pid);
  process.stdout.write(
    `hostile clients, ${seconds} s, ${process.version}: resident at most ${Math.round(peakBytes / 1e6)} MB, ` +
      `longest pause of a stream ${Math.round(longestPauseMs)} ms\n`,
  );
  attackers.kill("SIGKILL");
  await gone;

  expect(agent.stderr()).not.toContain('"level":"error"');
  expect(peakBytes).toBeLessThan(BUDGET_BYTES + 100_000_000);
  expect(longestPauseMs).toBeLessThan(1000);
  // Nothing of the attackers remains except the processes that they started.
  const client = plainClient(agent.url);
  let last: unknown;
  const attachedTags = async () =>
    (await client.list({ includeEnded: true })).processes
      .filter(({ subscribers }) => subscribers > 0)
      .map(({ tag }) => tag);
  await eventually(
    "only the live clients are attached",
    // Until the agent has noticed that the attackers are gone, it may have no memory for this call.
    async () => {
      last = await attachedTags().catch(String);
      return String(last) === "live,sink";
    },
    () => last,
  );
  // Their processes may hold the whole budget: input that nothing reads, and output for a client that may return. Without
  // them memory is not short for ever: input that needs a large part of the budget is accepted.
  await eventually(
    "the attackers' processes are ended",
    async () => {
      const { processes } = await client.list({});
      const theirs = processes.filter(({ tag }) => tag !== "live" && tag !== "sink");
      last = theirs.map(({ tag, pid }) => tag ?? pid);
      for (const { pid } of theirs)
        await client
          .sendSignal({ process: { selector: { case: "pid", value: pid } }, signal: Signal.SIGKILL })
          // It may have ended since.
          .catch(() => undefined);
      return theirs.length === 0;
    },
    () => last,
  );
  await eventually(
    "large input is accepted",
    async () => {
      last = await client
        .sendInput({
          process: { selector: { case: "tag", value: "sink" } },
          input: { input: { case: "stdin", value: new Uint8Array(9 * MIB) } },
        })
        .then(() => "accepted", String);
      return last === "accepted";
    },
    () => last,
    30_000,
  );
}
