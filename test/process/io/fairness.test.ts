// A process that writes without pause must not delay others: the agent reads a bounded amount of
// each in one turn of the event loop.

import { expect, test } from "vitest";
import { collectOutput } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command } from "../../support/clients/start-requests.ts";

/** How often libuv reads one stream in a row. */
const READS_PER_TURN = 32;
const READ_BYTES = 64 * 1024;

test("at most 2 MiB are read in one turn from a process that writes faster than the agent reads", async () => {
  const process = await createTable().start(command("head", ["-c", "40000000", "/dev/zero"]));
  let most = 0;
  let before = 0;
  let isOver = false;
  const look = () => {
    most = Math.max(most, process.output.head - before);
    before = process.output.head;
    if (!isOver) setImmediate(look);
  };
  look();
  expect((await collectOutput(process).end()).exitCode).toBe(0);
  isOver = true;
  expect(process.output.head).toBe(40_000_000);
  expect(most).toBeLessThanOrEqual(READS_PER_TURN * READ_BYTES);
});
