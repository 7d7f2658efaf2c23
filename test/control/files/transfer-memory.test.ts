import { afterEach, expect, test, vi } from "vitest";
import { TransferMemory } from "../../../src/control/files/transfer-memory.ts";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";

afterEach(() => vi.restoreAllMocks());

test("a transfer allocates the buffers that it uses, and the next one takes them", () => {
  const allocate = vi.spyOn(Buffer, "allocUnsafeSlow");
  const memory = new TransferMemory(new MemoryBudget(64 * 1024 * 1024));
  const byOne = memory.open();
  expect(allocate).toHaveBeenCalledTimes(0);
  const buffer = byOne.buffer();
  expect([byOne.buffer() === buffer, buffer.length]).toEqual([true, byOne.bufferBytes]);
  expect(allocate).toHaveBeenCalledTimes(1);
  byOne.release();
  const byTwo = memory.open();
  const [first, second] = byTwo.buffers();
  expect(allocate).toHaveBeenCalledTimes(2);
  // Not compared by expect: the difference of two such buffers takes minutes to print.
  expect([first === buffer, second === first]).toEqual([true, false]);
  byTwo.release();
  byTwo.release();
  memory.open().buffers();
  expect(allocate).toHaveBeenCalledTimes(2);
});
