// Buffers of JSON frames are used again only after their connection has accepted them.

import { expect, test } from "vitest";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";
import { isPooled, pooledBase64, returnFrameBuffer } from "../../../src/rpc/output/frame-buffers.ts";
import { FramesInFlight } from "../../../src/rpc/output/frames-in-flight.ts";

const output = Buffer.alloc(64 * 1024, "output");

function memoryOf(part: Buffer): ArrayBufferLike {
  return part.buffer;
}

test.each([1, 2, 3, 24 * 1024 - 1, 24 * 1024, 24 * 1024 + 1, 64 * 1024, 64 * 1024 + 1, 1_000_000])(
  "output of %i bytes is the same base64 as in one piece",
  (bytes) => {
    const data = Buffer.from(Uint8Array.from({ length: bytes }, (_, at) => at * 7));
    expect(pooledBase64(data).toString("latin1")).toBe(data.toString("base64"));
  },
);

test("a buffer that is given back is used again, once", () => {
  const first = pooledBase64(output);
  returnFrameBuffer(first);
  returnFrameBuffer(first);
  const [second, third] = [pooledBase64(output), pooledBase64(output)];
  expect(memoryOf(second)).toBe(memoryOf(first));
  expect(memoryOf(third)).not.toBe(memoryOf(first));
});

test("a frame counts until it is accepted, and its buffer is used again only then", () => {
  const budget = new MemoryBudget(1 << 20);
  const frames = new FramesInFlight(budget);
  const part = pooledBase64(output);
  const accepted = frames.add(["head", part, "tail"]);
  expect(budget.heldBytes).toBe(part.length + 8);
  expect(memoryOf(pooledBase64(output))).not.toBe(memoryOf(part));
  accepted();
  accepted();
  expect(budget.heldBytes).toBe(0);
  expect(memoryOf(pooledBase64(output))).toBe(memoryOf(part));
});

test("the buffer of a frame that was not accepted is not used again", () => {
  const frames = new FramesInFlight(new MemoryBudget(1 << 20));
  const part = pooledBase64(output);
  frames.add([part])(new Error("the connection broke"));
  expect(isPooled(part)).toBe(true);
  expect(memoryOf(pooledBase64(output))).not.toBe(memoryOf(part));
});
