// Answers that clients have not read, and frames that connections have not accepted, count in the memory budget (rule 14).

import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import type { NodeResponse } from "../../../src/http/index.ts";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";
import { holdAnswer } from "../../../src/rpc/memory/answer-memory.ts";
import { RequestMemory } from "../../../src/rpc/memory/request-memory.ts";
import { FramesInFlight } from "../../../src/rpc/output/frames-in-flight.ts";

const MIB = 2 ** 20;

test("an answer counts until its response closes, and one without room is refused with its size", () => {
  const budget = new MemoryBudget(16 * MIB);
  const memory = new RequestMemory(budget, 64 * MIB);
  const response = new EventEmitter() as unknown as NodeResponse;
  expect(holdAnswer(10 * MIB, response, memory)).toBeUndefined();
  expect(budget.heldBytes).toBe(10 * MIB);

  const other = new EventEmitter() as unknown as NodeResponse;
  expect(holdAnswer(10 * MIB, other, memory)).toMatchObject({
    httpStatus: 429,
    message: expect.stringMatching(/^the answer has 10485760 bytes: memory budget spent .*--memory-budget/),
    headers: { "Retry-After": "1" },
  });
  response.emit("close");
  other.emit("close");
  expect(budget.heldBytes).toBe(0);
});

test("a short answer is part of what its request counts", () => {
  const budget = new MemoryBudget(16 * MIB);
  holdAnswer(1000, new EventEmitter() as unknown as NodeResponse, new RequestMemory(budget, 64 * MIB));
  expect(budget.heldBytes).toBe(0);
});

test("a frame of JSON counts until its connection has accepted it, and output of the window does not count twice", () => {
  const budget = new MemoryBudget(16 * MIB);
  const frames = new FramesInFlight(budget);
  const one = frames.add(["head", "x".repeat(1000), "tail"]);
  const other = frames.add(["x".repeat(10), Buffer.alloc(5000)]);
  expect(budget.heldBytes).toBe(1018);
  one();
  one();
  expect(budget.heldBytes).toBe(10);
  other();
  expect(budget.heldBytes).toBe(0);
});
