// The pool reuses only buffers that came from it, only once each, and keeps a bounded number.

import { expect, test } from "vitest";
import { giveBack, takeBuffer } from "../../src/multiplexer/index.ts";

const KIB = 1024;

test.each([4096, 5000, 32 * KIB, 40_000, 64 * KIB])(
  "a buffer of %i bytes is used again when it is given back",
  (bytes) => {
    const first = takeBuffer(bytes);
    expect(first.length).toBeGreaterThanOrEqual(bytes);
    expect(first.length).toBeLessThanOrEqual(2 * bytes);
    giveBack(first.subarray(0, bytes));
    expect(takeBuffer(bytes).buffer).toBe(first.buffer);
  },
);

test.each([0, 1, 4095, 64 * KIB + 1])(
  "a buffer of %i bytes has exactly that size, and is not used again",
  (bytes) => {
    const first = takeBuffer(bytes);
    expect(first.length).toBe(bytes);
    expect(first.buffer.byteLength).toBe(bytes);
    giveBack(first);
    expect(takeBuffer(bytes).buffer).not.toBe(first.buffer);
  },
);

test("two buffers in use never share memory, also when one is given back twice", () => {
  const buffer = takeBuffer(64 * KIB);
  giveBack(buffer);
  giveBack(buffer);
  const [one, other] = [takeBuffer(64 * KIB), takeBuffer(64 * KIB)];
  expect(one.buffer).not.toBe(other.buffer);
});

test("a buffer from elsewhere is refused", () => {
  const foreign = Buffer.allocUnsafeSlow(64 * KIB);
  giveBack(foreign);
  expect(takeBuffer(64 * KIB).buffer).not.toBe(foreign.buffer);
});

test("at most 3 MiB are kept", () => {
  const sizes = [8, 16, 32, 64].map((size) => size * KIB);
  const taken = sizes.flatMap((size) => Array.from({ length: 100 }, () => takeBuffer(size)));
  const known = new Set(taken.map(({ buffer }) => buffer));
  for (const buffer of taken) giveBack(buffer);
  let keptBytes = 0;
  for (const size of sizes)
    for (let i = 0; i < 100; i++) if (known.has(takeBuffer(size).buffer)) keptBytes += size;
  expect(keptBytes).toBeGreaterThan(2 * KIB * KIB);
  expect(keptBytes).toBeLessThanOrEqual(3 * KIB * KIB);
});
