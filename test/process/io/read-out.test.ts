// Output that is in the pipe of a process when it exits. A program can enlarge its pipes, so they can hold more than the
// memory budget has room for: the rest stays in the pipe (rule 14), and still comes before the end (rule 2).

import { expect, test } from "vitest";
import type { Process, ProcessTable } from "../../../src/process/index.ts";
import { collectOutput } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { script } from "../../support/clients/start-requests.ts";
import { enlargePipe } from "../../support/proc/enlarged-pipe.ts";
import { createFifo } from "../../support/proc/fifo.ts";
import { LINE_BYTES, NumbersCheck, numbersBytes, numbersCommand } from "../../support/proc/numbers.ts";
import { eventually } from "../../support/proc/proc.ts";

/** All of it fits into an enlarged pipe. */
const LINES = 60_000;
const OUTPUT_BYTES = LINES * LINE_BYTES;
/** Less than the output. */
const BUDGET_BYTES = 512 * 1024;
/** A read, and the free rest of its buffer. */
const SLACK_BYTES = 128 * 1024;

/** A process with an enlarged pipe that writes all its output once `write` is called, and exits. */
async function startWriter(
  table: ProcessTable,
  rest = "",
): Promise<{ readonly process: Process; readonly write: () => Promise<void> }> {
  const fifo = createFifo();
  const process = await table.start(script(`${fifo.wait}; ${numbersCommand(LINES)}; ${rest}`));
  enlargePipe(process.pid, 1);
  const write = async () => {
    fifo.open();
    await eventually(
      "it has exited",
      () => !process.isRunning,
      () => process.output.head,
    );
  };
  return { process, write };
}

test("what does not fit the memory budget stays in the pipe until its client has room, and the end comes after it", async () => {
  const table = createTable({ memoryBudgetBytes: BUDGET_BYTES });
  const { process, write } = await startWriter(table);
  const output = collectOutput(process, { paused: true });
  await write();

  expect(process.output.head).toBeLessThan(OUTPUT_BYTES);
  expect(table.memoryBudget.heldBytes).toBeLessThan(BUDGET_BYTES + SLACK_BYTES);
  output.resume();
  expect((await output.end()).exitCode).toBe(0);
  expect(output.bytes("stdout").equals(numbersBytes(OUTPUT_BYTES))).toBe(true);
});

test("an orphan that still writes does not delay the end further", async () => {
  const table = createTable({ memoryBudgetBytes: BUDGET_BYTES, drainTimeoutMs: 0 });
  const { process, write } = await startWriter(table, "yes & exit 3");
  const output = collectOutput(process, { paused: true });
  await write();
  expect(process.output.end).toBe(undefined);
  output.resume();

  expect((await output.end()).exitCode).toBe(3);
  const found = output.bytes("stdout");
  expect(found.subarray(0, OUTPUT_BYTES).equals(numbersBytes(OUTPUT_BYTES))).toBe(true);
});

test("with room in the budget, a client that does not read delays no end", async () => {
  const table = createTable();
  const { process, write } = await startWriter(table);
  const output = collectOutput(process, { paused: true });
  await write();
  await eventually(
    "it has ended",
    () => process.output.end !== undefined,
    () => process.output.head,
  );
  output.resume();

  expect((await output.end()).exitCode).toBe(0);
  expect(output.bytes("stdout").equals(numbersBytes(OUTPUT_BYTES))).toBe(true);
});

test.each(["never attached", "has left"])(
  "a process whose client %s ends at once: of its output the budget keeps the newest",
  async (client) => {
    const table = createTable({ memoryBudgetBytes: BUDGET_BYTES });
    const { process, write } = await startWriter(table);
    const first = client === "has left" ? collectOutput(process, { paused: true }) : undefined;
    await write();
    first?.detach();
    await eventually(
      "it has ended",
      () => process.output.end !== undefined,
      () => process.output.head,
    );

    expect(table.memoryBudget.heldBytes).toBeLessThanOrEqual(BUDGET_BYTES);
    expect(process.output.head).toBe(OUTPUT_BYTES);
    const subscriber = process.output.fork({ onReadable: () => undefined });
    const gap = subscriber.read();
    expect(gap).toMatchObject({ kind: "gap", from: 0 });
    let at: number = gap.kind === "gap" ? gap.to : 0;
    const check = new NumbersCheck(at);
    for (let read = subscriber.read(); read.kind === "chunk"; read = subscriber.read()) {
      expect(read.chunk.offset).toBe(at);
      check.push(Buffer.from(read.chunk.data));
      at += read.chunk.data.length;
      subscriber.delivered();
    }
    expect(at).toBe(OUTPUT_BYTES);
    expect(subscriber.read()).toMatchObject({ kind: "end", end: { exitCode: 0 } });
    subscriber.detach();
  },
);

test("a stop of the agent does not wait for a client that does not read", async () => {
  const table = createTable({ memoryBudgetBytes: BUDGET_BYTES });
  const { process, write } = await startWriter(table);
  const output = collectOutput(process, { paused: true });
  await write();
  await table.shutdown(0);

  expect(process.output.end?.exitCode).toBe(0);
  output.resume();
  await output.end();
  const found = output.bytes("stdout");
  expect(found.equals(numbersBytes(found.length))).toBe(true);
});
