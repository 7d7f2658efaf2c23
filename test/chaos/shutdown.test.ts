// SIGTERM to an agent that is busy: every client is told, nothing is left.
import { expect, test, vi } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { childrenOf, stateOf } from "../support/proc/proc.ts";

// Many of these are a lot of work, and the machine may have other things to do.
vi.setConfig({ testTimeout: 120_000 });

const pty = { size: { cols: 80, rows: 24 } };

/** Each ten times. The last ignores SIGTERM, and is killed after the grace period. */
const kinds = (wait: string) => [
  { script: "echo ready; exec yes", status: "signal: terminated" },
  { script: "echo ready; exec yes", status: "signal: terminated", pty },
  { script: `echo ready; ${wait}`, status: "signal: terminated" },
  { script: `trap "echo bye; exit 3" TERM; echo ready; ${wait}`, status: "exit status 3" },
  { script: `trap "" TERM; echo ready; ${wait}`, status: "signal: killed" },
];

const tenTimes = <T>(items: readonly T[]): T[] => Array.from({ length: 10 }, () => items).flat();

test("SIGTERM with 50 streams open gives each its end event, ends every process, and the agent exits 0", async () => {
  const agent = await startAgent();
  const started = await Promise.all(
    tenTimes(kinds(createFifo().wait)).map(async ({ script, status, ...rest }) => {
      const stream = startStream(agent.port, { process: { cmd: "bash", args: ["-c", script] }, ...rest });
      await stream.received("ready\n".length);
      return { stream, status, pid: await stream.started() };
    }),
  );
  expect(childrenOf(agent.pid).length).toBe(50);
  agent.kill("SIGTERM");
  const ended = await Promise.all(started.map(({ stream }) => stream.ended()));
  expect(ended.map(({ events, end }) => [events, end?.status])).toEqual(
    started.map(({ status }) => [["start", "data", "end"], status]),
  );
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  expect(started.filter(({ pid }) => stateOf(pid) !== undefined)).toEqual([]);
});
