// Connections without a request count in the memory budget (rule 14), but can never make it spent alone.

import { expect, test } from "vitest";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";
import { idleMemory } from "../../../src/rpc/memory/idle-memory.ts";

const MIB = 1024 * 1024;

test("connections beyond the first 128 hold 24 KiB each, and at most a quarter of the budget", () => {
  const budget = new MemoryBudget(64 * MIB);
  const note = idleMemory(budget);
  const held = [0, 128, 129, 228, 1024, 5000, 129, 3].map((connections) => {
    note(connections);
    return budget.heldBytes;
  });
  const each = 24 * 1024;
  expect(held).toEqual([0, 0, each, 100 * each, 16 * MIB, 16 * MIB, each, 0]);
  expect(budget.isSpent).toBe(false);
});
