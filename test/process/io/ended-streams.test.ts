// Results of ended processes are kept for hours. Their streams are not: each would keep the buffer that it read into, in no
// budget.

import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { queryObjects } from "node:v8";
import { expect, test, vi } from "vitest";
import { collectOutput } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PIPES, PTY } from "../../support/clients/start-requests.ts";

const COUNT = 20;

/** Those that are in use, after a collection. */
function socketCount(): number {
  // Node 20 warns that this is experimental.
  const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  try {
    return queryObjects(Socket, { format: "count" });
  } finally {
    warning.mockRestore();
  }
}

test.each([
  ["pipes", PIPES],
  ["terminals", PTY],
] as const)("processes on %s that have ended keep no streams", async (_, stdio) => {
  const table = createTable();
  const before = socketCount();
  const start = async () => {
    const process = await table.start(command("head", ["-c", "200000", "/dev/zero"], { stdio }));
    const { exitCode } = await collectOutput(process).end();
    return { process, exitCode };
  };
  const ended = await Promise.all(Array.from({ length: COUNT }, start));
  // The streams are closed in a later turn.
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  expect(socketCount()).toBeLessThanOrEqual(before);
  expect(ended.map(({ process, exitCode }) => [process.isRunning, exitCode])).toEqual(
    Array(COUNT).fill([false, 0]),
  );
});
