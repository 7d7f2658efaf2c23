// Subscribers of one process that read at different speeds, or pause: the slowest sets the pace, none is
// disconnected, none misses a byte.
import { expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { openAgentClock } from "../support/agent/agent-clock.ts";
import { connectStream, startStream } from "../support/clients/stream-client.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { LINE_BYTES, NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { rssBytes } from "../support/proc/proc.ts";
import {
  bytesWritten,
  cpuTicks,
  peakRssBytes,
  tcpQueues,
  untilBlockedInWrite,
} from "../support/proc/proc-activity.ts";

// Generous: the tests move much output, and the machine can be busy.
vi.setConfig({ testTimeout: 120_000 });

const MB = 1_000_000;
const LINES = 1_000_000;
/** The window, two reads that may follow after the gate has closed, and a frame that the client has received in part. */
const WINDOW_BYTES = 256 * 1024 + 2 * 64 * 1024 + 64 * 1024;

/** A process that prints numbers to all attached clients when the fifo opens. */
function startNumbers(agent: RunningAgent) {
  const fifo = createFifo();
  const numbers = new NumbersCheck(0);
  const script = `echo ready >&2; ${fifo.wait}; exec ${numbersCommand(LINES)}`;
  const stream = startStream(
    agent.port,
    { process: { cmd: "bash", args: ["-c", script] }, stdin: false },
    { onData: (data, name) => name === "stdout" && numbers.push(data) },
  );
  return { fifo, numbers, stream };
}

test("a slow and a fast subscriber of one process both receive every byte, and the agent holds no more for it", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs });
  const { fifo, numbers, stream: fast } = startNumbers(agent);
  const pid = await fast.started();
  await fast.received("ready".length);
  const slowNumbers = new NumbersCheck(0);
  const slow = connectStream(agent.port, pid, { onData: (data) => slowNumbers.push(data) });
  await slow.started();
  const before = rssBytes(agent.pid);

  slow.pause();
  fifo.open();
  for (let step = 0; step < 6; step++) {
    await untilBlockedInWrite(pid);
    // The fast one is ahead by what the window and the kernel hold for the slow one.
    const inKernel = tcpQueues(agent.port, slow.port).sent + tcpQueues(slow.port, agent.port).received;
    expect(numbers.end - slowNumbers.end - inKernel).toBeLessThan(WINDOW_BYTES);
    slow.resume();
    await slow.received(slow.bytes + MB);
    slow.pause();
  }
  slow.resume();
  expect(await fast.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
  expect(await slow.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
  expect([numbers.end, slowNumbers.end]).toEqual([LINES * LINE_BYTES, LINES * LINE_BYTES]);
  expect(peakRssBytes(agent.pid) - before).toBeLessThan(40 * MB);
});

test("a lone slow subscriber is never disconnected: the process waits for many times the stall timeout, and then it receives the rest", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs, args: ["--stall-timeout", "200ms"] });
  const { fifo, numbers, stream } = startNumbers(agent);
  const pid = await stream.started();
  await stream.received("ready".length);
  fifo.open();
  await stream.received(MB);
  stream.pause();
  await untilBlockedInWrite(pid);
  const clock = await openAgentClock(agent);
  const usage = () => ({
    ticks: cpuTicks(pid),
    written: bytesWritten(pid),
    agentTicks: cpuTicks(agent.pid),
    agentRss: rssBytes(agent.pid),
  });
  const usedInThreeSeconds = async () => {
    const then = usage();
    await clock.seconds(3);
    const now = usage();
    return {
      ticks: now.ticks - then.ticks,
      written: now.written - then.written,
      agentTicks: now.agentTicks - then.agentTicks,
      agentRss: now.agentRss - then.agentRss,
    };
  };
  const periods = [await usedInThreeSeconds(), await usedInThreeSeconds()];
  for (const used of periods) {
    // The kernel may make room for a little more; `seq` would write gigabytes in that time.
    expect(used.written).toBeLessThan(10 * MB);
    expect(used.ticks).toBeLessThanOrEqual(2);
    expect(used.agentRss).toBeLessThan(10 * MB);
  }
  // What an agent does once after its start may fall into one of them.
  expect(Math.min(...periods.map(({ agentTicks }) => agentTicks))).toBeLessThanOrEqual(6);

  stream.resume();
  expect(await stream.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
  expect(numbers.end).toBe(LINES * LINE_BYTES);
});
