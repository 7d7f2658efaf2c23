// Many processes at once, each with its own client, some of them slow: no output is mixed up, and
// memory is bounded.
import { expect, test, vi } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { type StreamClient, startStream } from "../support/clients/stream-client.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { LINE_BYTES, numbersCommand, numbersSha256 } from "../support/proc/numbers.ts";
import { childrenOf, eventually, fdCount } from "../support/proc/proc.ts";
import { peakRssBytes } from "../support/proc/proc-activity.ts";

// Generous, because the machine may be loaded.
vi.setConfig({ testTimeout: 120_000 });

const COUNT = 200;
const MB = 1_000_000;

/** The output held for one process: its window, and two more reads after the gate has closed. */
const HELD_BYTES = 256 * 1024 + 2 * 64 * 1024;
/** Buffers that are not collected yet, fragmentation, compiled code. */
const GARBAGE_BYTES = 90 * MB;

interface Job {
  readonly lines: number;
  readonly skip: number;
  readonly isSlow: boolean;
}

/** Each prints its own numbers, about 0.5 MB or, for slow clients, 3 MB. 280 MB in total. */
const jobs: readonly Job[] = Array.from({ length: COUNT }, (_, index) => {
  const isSlow = index % 3 === 0;
  return { lines: (isSlow ? 180_000 : 20_000) + 100 * index, skip: 1_000_000 * (index + 1), isSlow };
});

const STEP_BYTES = 100_000;

/** Clients that stop reading after every step, until `next` or `all` lets them continue. */
function createSlowClients() {
  const waiting: StreamClient[] = [];
  let mayContinue = false;
  return {
    open: (openStream: (onData: () => void) => StreamClient): StreamClient => {
      let pauseAt = STEP_BYTES;
      const stream: StreamClient = openStream(() => {
        if (mayContinue || stream.bytes < pauseAt) return;
        pauseAt = stream.bytes + STEP_BYTES;
        stream.pause();
        waiting.push(stream);
      });
      return stream;
    },
    next: () => waiting.shift()?.resume(),
    all: () => {
      mayContinue = true;
      for (const stream of waiting) stream.resume();
    },
  };
}

test("200 processes at once, each with its own client and a third of these slow: every sum is right and memory is bounded", async () => {
  // Without replay, whose memory memory-budget.test.ts tests.
  const agent = await startAgent({ nodeArgs: slowNetworkArgs, args: ["--replay", "0"] });
  const fdsBefore = fdCount(agent.pid);
  const fifo = createFifo();
  const slow = createSlowClients();
  const running = jobs.map((job) => {
    const script = `echo ready >&2; ${fifo.wait}; exec ${numbersCommand(job.lines, job.skip)}`;
    const request = { process: { cmd: "bash", args: ["-c", script] }, stdin: false };
    const open = (onData: () => void) => startStream(agent.port, request, { onData });
    return { job, stream: job.isSlow ? slow.open(open) : open(() => undefined) };
  });
  const check = async ({ job, stream }: { job: Job; stream: StreamClient }) => {
    const { events, end, output } = await stream.ended();
    expect({ job, events, exitCode: end?.exitCode, stdout: output.stdout }).toEqual({
      job,
      events: ["start", "data", "end"],
      exitCode: 0,
      stdout: { bytes: job.lines * LINE_BYTES, sha256: numbersSha256(job.lines, job.skip) },
    });
    slow.next();
  };
  await Promise.all(running.map(({ stream }) => stream.received("ready".length)));
  const base = peakRssBytes(agent.pid);
  fifo.open();
  await Promise.all(running.filter(({ job }) => !job.isSlow).map(check));
  slow.all();
  await Promise.all(running.filter(({ job }) => job.isSlow).map(check));

  expect(peakRssBytes(agent.pid) - base).toBeLessThan(COUNT * HELD_BYTES + GARBAGE_BYTES);
  await eventually(
    "all is closed",
    () => fdCount(agent.pid) <= fdsBefore,
    () => ({ fdsBefore, fds: fdCount(agent.pid) }),
  );
  expect(childrenOf(agent.pid)).toEqual([]);
});
