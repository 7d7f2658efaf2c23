// SIGTERM to a busy agent: every client gets its end event, and nothing is left behind.
import { expect, test, vi } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { childrenOf, stateOf } from "../support/proc/proc.ts";

// These tests do much work, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 });

const pty = { size: { cols: 80, rows: 24 } };

/** Ten times each. The last kind ignores SIGTERM and is killed after the grace period. */
const kinds = (wait: string) => [
  { script: "echo ready; exec yes", status: "signal: terminated" },
  // Terminals get SIGHUP before SIGTERM, as when a window is closed.
  { script: "echo ready; exec yes", status: "signal: hangup", pty },
  { script: `echo ready; ${wait}`, status: "signal: terminated" },
  { script: `trap "echo bye; exit 3" TERM; echo ready; ${wait}`, status: "exit status 3" },
  { script: `trap "" TERM; echo ready; ${wait}`, status: "signal: killed" },
];

const tenTimes = <T>(items: readonly T[]): T[] => Array.from({ length: 10 }, () => items).flat();

test("at SIGTERM with 50 open streams each stream gets its end event, every process ends, and the agent exits with 0", async () => {
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
