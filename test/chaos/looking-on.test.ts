// A second client looks on, or resumes elsewhere, and leaves: the first client receives the same bytes as
// without it (rules 5 to 7 and 13).

import { expect, test, vi } from "vitest";
import { OutputPolicy_Detached as Detached, ConnectRequest_Lag as Lag } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { connectStream, startStream } from "../support/clients/stream-client.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { LINE_BYTES, NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { eventually } from "../support/proc/proc.ts";
import { untilBlockedInWrite } from "../support/proc/proc-activity.ts";

vi.setConfig({ testTimeout: 120_000 });

const LINES = 400_000;
const READY = "ready\n";

/** A process that prints numbers when the fifo opens, and that its client has left before. */
async function startAndLeave(agent: RunningAgent, detached: Detached, detachedBufferBytes = 4_000_000n) {
  const fifo = createFifo();
  const script = `printf '${READY}' >&2; ${fifo.wait}; exec ${numbersCommand(LINES)}`;
  const request = { process: { cmd: "bash", args: ["-c", script] }, stdin: false };
  const first = startStream(agent.port, { ...request, output: { detached, detachedBufferBytes } });
  const pid = await first.started();
  await first.received(READY.length);
  first.cut("close");
  await listedProcess(agent, pid, ({ subscribers }) => subscribers === 0);
  return { pid, fifo };
}

type Listed = Awaited<ReturnType<ReturnType<typeof plainClient>["list"]>>["processes"][number];

async function listedProcess(
  agent: RunningAgent,
  pid: number,
  isDue: (process: Listed) => boolean,
): Promise<Listed> {
  let found: Listed | undefined;
  await eventually(
    "the process is as expected in List",
    async () => {
      const { processes } = await plainClient(agent.url).list({ includeEnded: true });
      found = processes.find((process) => process.pid === pid);
      return found !== undefined && isDue(found);
    },
    () => found,
    60_000,
  );
  if (found === undefined) throw new Error("not listed");
  return found;
}

/** Connects without an offset and reads to the end. */
async function expectAllNumbers(agent: RunningAgent, pid: number): Promise<void> {
  const numbers = new NumbersCheck(0);
  const client = connectStream(agent.port, pid, { onData: (data) => numbers.push(data) }, { offsets: true });
  expect(await client.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
  expect([client.startOffset, numbers.end]).toEqual([READY.length, LINES * LINE_BYTES]);
}

test("an observer that continues to read after the client left does not make a process in mode block run, and delivers nothing", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs });
  const { pid, fifo } = await startAndLeave(agent, Detached.BLOCK);
  const observer = connectStream(agent.port, pid, {}, { lag: Lag.SKIP, offsets: true });
  await observer.started();
  fifo.open();
  await untilBlockedInWrite(pid);
  const { offset, reading } = await listedProcess(agent, pid, () => true);
  expect([Number(offset), reading]).toEqual([READY.length, false]);
  await expectAllNumbers(agent, pid);
  observer.cut("close");
});

test("an observer that received the content of a buffer leaves all of it to the client", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs });
  const { pid, fifo } = await startAndLeave(agent, Detached.BUFFER);
  const observer = connectStream(agent.port, pid, {}, { lag: Lag.SKIP, offsets: true });
  await observer.started();
  fifo.open();
  // The buffer is full, and the observer has received it.
  const { offset } = await listedProcess(agent, pid, ({ reading }) => !reading);
  await observer.received(Number(offset) - READY.length);
  observer.cut("close");
  await expectAllNumbers(agent, pid);
});

test("a client that resumes at the head and leaves does not take the backlog from the client before it", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs });
  const { pid, fifo } = await startAndLeave(agent, Detached.BUFFER);
  fifo.open();
  const { offset } = await listedProcess(agent, pid, ({ reading }) => !reading);
  const other = connectStream(agent.port, pid, {}, { fromOffset: offset });
  await other.started();
  other.cut("close");
  await listedProcess(agent, pid, ({ subscribers }) => subscribers === 0);
  await expectAllNumbers(agent, pid);
});

test("a process that is blocked because no client reads is listed with the time, logged once, and counted", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs });
  const { pid, fifo } = await startAndLeave(agent, Detached.BLOCK);
  fifo.open();
  const first = await listedProcess(agent, pid, ({ blockedMs }) => blockedMs !== undefined);
  await listedProcess(agent, pid, ({ blockedMs }) => (blockedMs ?? 0n) > (first.blockedMs ?? 0n));
  const metrics = await (await fetch(`${agent.url}/metrics/prometheus`)).text();
  expect(metrics).toMatch(/^holdfast_processes_blocked 1$/m);
  await expectAllNumbers(agent, pid);
  const warnings = agent.stderr().match(/process is blocked in a write because no client reads its output/g);
  expect(warnings).toHaveLength(1);
});
