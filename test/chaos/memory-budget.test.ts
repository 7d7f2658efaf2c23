// Rule 14: more processes than the budget holds write without end without clients. In every mode the agent
// stays within its budget, and each client can resume at its offset, or behind an exact gap.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { OutputPolicy_Detached as Detached, type OutputPolicySchema } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { connectStream, startStream } from "../support/clients/stream-client.ts";
import { inParallel } from "../support/in-parallel.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { eventually } from "../support/proc/proc.ts";
import {
  bytesWritten,
  forgetPeakRss,
  isBlockedInWrite,
  peakRssBytes,
} from "../support/proc/proc-activity.ts";

// Generous: the tests move much output, and the machine can be busy.
vi.setConfig({ testTimeout: 120_000 });

const COUNT = 60;
const MIB = 1024 * 1024;
const BUDGET_BYTES = 16 * MIB;
/** Per process, what reads of two pipes may add after the budget is spent. */
const READ_BYTES = 2 * 64 * 1024;
/** What the agent promises. Measured: 75 to 82 MB on Node 20, 85 to 87 on Node 26. */
const BOUND_BYTES = BUDGET_BYTES + 100_000_000;
/** The least that all of them write in a ring: well above what they may hold, and the garbage. */
const WRITTEN_BYTES = 5 * MIB;
/** Of each process after the resume: more than it may hold of the budget. */
const RESUMED_BYTES = MIB / 2;
/** What each process writes to stderr before its numbers. */
const READY = "ready\n";

type Policy = MessageInitShape<typeof OutputPolicySchema>;

/** All wait until the fifo opens; their clients have left by then. */
async function startDetached(agent: RunningAgent, output: Policy, wait: string): Promise<readonly number[]> {
  const pids: number[] = [];
  await inParallel(COUNT, 10, async () => {
    const script = `printf ${JSON.stringify(READY)} >&2; ${wait}; exec ${numbersCommand()}`;
    const request = { process: { cmd: "bash", args: ["-c", script] }, stdin: false, output };
    const client = startStream(agent.port, request);
    pids.push(await client.started());
    await client.received(READY.length);
    client.cut("close");
  });
  await eventually(
    "all are detached",
    async () => (await listed(agent)).every(({ subscribers }) => subscribers === 0),
    () => undefined,
  );
  return pids;
}

async function listed(agent: RunningAgent) {
  return (await plainClient(agent.url).list({ includeEnded: true })).processes;
}

async function heldBytes(agent: RunningAgent): Promise<number> {
  return (await listed(agent)).reduce((sum, process) => sum + Number(process.heldBytes), 0);
}

/** Resumes behind READY, and returns where that was. */
async function resume(agent: RunningAgent, pid: number): Promise<number> {
  const numbers = new NumbersCheck();
  const onData = (data: Uint8Array) => numbers.push(data);
  const client = connectStream(agent.port, pid, { onData }, { fromOffset: BigInt(READY.length) });
  await client.received(RESUMED_BYTES);
  const [gap = { from: READY.length, to: READY.length }, ...more] = client.gaps;
  expect({ pid, from: gap.from, more }).toEqual({ pid, from: READY.length, more: [] });
  expect({ pid, start: numbers.start + READY.length }).toEqual({ pid, start: gap.to });
  client.cut("close");
  return gap.to - gap.from;
}

interface Mode {
  readonly name: string;
  readonly output: Policy;
  /** Whether its processes must wait in the end: what they may hold does not fit, or they hold nothing. */
  readonly waits: boolean;
}

const modes: readonly Mode[] = [
  { name: "block", output: { detached: Detached.BLOCK }, waits: true },
  { name: "buffer", output: { detached: Detached.BUFFER }, waits: true },
  {
    name: "ring of more than fits",
    output: { detached: Detached.RING, replayBytes: BigInt(MIB) },
    waits: true,
  },
  {
    name: "ring of what fits",
    output: { detached: Detached.RING, replayBytes: BigInt(MIB / 8) },
    waits: false,
  },
];

test.each(modes)(
  "60 detached processes that write without end, mode $name: memory stays in its budget, and each can be resumed",
  async ({ output, waits }) => {
    const agent = await startAgent({ args: ["--memory-budget", "16MiB"] });
    const fifo = createFifo();
    const pids = await startDetached(agent, output, fifo.wait);
    forgetPeakRss(agent.pid);
    fifo.open();
    await eventually(
      waits ? "all wait in write" : "all have written many times what is kept of it",
      () => pids.every((pid) => (waits ? isBlockedInWrite(pid) : bytesWritten(pid) > WRITTEN_BYTES)),
      () => pids.map((pid) => ({ blocked: isBlockedInWrite(pid), written: bytesWritten(pid) })),
      60_000,
    );
    expect(await heldBytes(agent)).toBeLessThan(BUDGET_BYTES + COUNT * READ_BYTES);

    const gaps: number[] = [];
    await inParallel(COUNT, 6, async (index) => void gaps.push(await resume(agent, pids[index] ?? 0)));
    const losesNothing = output.detached !== Detached.RING;
    expect(gaps.every((bytes) => (losesNothing ? bytes === 0 : bytes >= 0))).toBe(true);
    if (!waits) expect(Math.min(...gaps)).toBeGreaterThan(0);
    expect(peakRssBytes(agent.pid)).toBeLessThan(BOUND_BYTES);
  },
);
