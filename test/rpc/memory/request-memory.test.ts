// The memory that requests hold, within the agent's budget.

import { expect, test } from "vitest";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";
import { RequestMemory } from "../../../src/rpc/memory/request-memory.ts";

const MIB = 2 ** 20;

test("requests count in the budget until they are released or closed", () => {
  const budget = new MemoryBudget(64 * MIB);
  const memory = new RequestMemory(budget, 64 * MIB);
  const one = memory.open();
  const other = memory.open();
  one.reserve(20 * MIB);
  other.reserve(10 * MIB);
  expect([memory.heldBytes, budget.heldBytes]).toEqual([30 * MIB, 30 * MIB]);
  one.release();
  expect([memory.heldBytes, budget.heldBytes]).toEqual([10 * MIB, 10 * MIB]);
  one.reserve(MIB);
  other.close();
  one.close();
  expect([memory.heldBytes, budget.heldBytes]).toEqual([0, 0]);
});

test("requests beyond --request-memory are refused and hold nothing more", () => {
  const memory = new RequestMemory(new MemoryBudget(64 * MIB), 10 * MIB);
  const share = memory.open();
  share.reserve(9 * MIB);
  expect(() => share.reserve(2 * MIB)).toThrow(
    "[resource_exhausted] memory limit for requests reached (10485760 bytes; --request-memory)",
  );
  expect(memory.heldBytes).toBe(9 * MIB);
});

test("while output has spent the budget, requests up to an eighth of it are accepted", () => {
  const budget = new MemoryBudget(32 * MIB);
  budget.join({}).report(32 * MIB);
  const memory = new RequestMemory(budget, 64 * MIB);
  const share = memory.open();
  share.reserve(4 * MIB);
  expect(() => share.reserve(1)).toThrow(
    "[resource_exhausted] memory budget spent (33554432 bytes; --memory-budget); try again",
  );
  share.close();
  expect(budget.heldBytes).toBe(32 * MIB);
});

test("a request that is over reserves nothing", () => {
  const memory = new RequestMemory(new MemoryBudget(MIB), MIB);
  const share = memory.open();
  share.close();
  expect(() => share.reserve(1)).toThrow("[canceled] the request is over");
  expect(memory.heldBytes).toBe(0);
});

test("copies count in the budget and not towards --request-memory", () => {
  const budget = new MemoryBudget(64 * MIB);
  const memory = new RequestMemory(budget, 20 * MIB);
  const share = memory.open();
  share.reserve(15 * MIB, 3);
  expect([memory.heldBytes, budget.heldBytes]).toEqual([15 * MIB, 45 * MIB]);
  expect(() => memory.open().reserve(5 * MIB, 4)).toThrow("memory budget spent");
  share.close();
  expect([memory.heldBytes, budget.heldBytes]).toEqual([0, 0]);
});
