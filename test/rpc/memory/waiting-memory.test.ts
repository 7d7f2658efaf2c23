// Streams of HTTP/2 that wait for their turn count in the memory budget (rule 14).

import { expect, test } from "vitest";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";
import { waitingMemory } from "../../../src/rpc/memory/waiting-memory.ts";

const MIB = 1024 * 1024;
const COST_BYTES = 12 * 1024;

test("the first streams do not count, each further one counts 12 KiB, and one without room is refused and reported", () => {
  const budget = new MemoryBudget(4 * MIB);
  const refusals: string[] = [];
  const hasRoom = waitingMemory(budget, { refusedRequest: (_, message) => refusals.push(message) });
  const uncounted = Math.floor(MIB / COST_BYTES);
  expect(hasRoom(uncounted, 0)).toBe(true);
  expect(budget.heldBytes).toBe(0);
  expect(hasRoom(100, 0)).toBe(true);
  expect(budget.heldBytes).toBe(100 * COST_BYTES - MIB);
  expect(refusals).toEqual([]);
  let most = 100;
  while (hasRoom(most + 1, 0)) most++;
  expect(budget.heldBytes).toBe(most * COST_BYTES - MIB);
  expect(most).toBeGreaterThan((4 * MIB) / COST_BYTES);
  expect(most).toBeLessThanOrEqual((5 * MIB) / COST_BYTES);
  expect(refusals).toEqual([
    `no memory for another stream beside ${most} that wait (4194304 bytes; --memory-budget)`,
  ]);
  expect(hasRoom(0, 0)).toBe(true);
  expect(hasRoom(1, MIB)).toBe(true);
  expect(budget.heldBytes).toBe(COST_BYTES + MIB);
  expect(hasRoom(0, 0)).toBe(true);
  expect(budget.heldBytes).toBe(0);
});
