// The bytes of a large JSON message do not stay in memory beside its text.

import { expect, test } from "vitest";
import { strictTextDecoder } from "../../../src/rpc/protocol/json-text.ts";

const MIB = 1024 * 1024;

test("the bytes of a large message are freed as soon as its text is there", () => {
  const bytes = new Uint8Array(64 * MIB).fill(0x61);
  // Not resident memory: that of the process of the tests also grows by what other files of them do.
  const before = process.memoryUsage().arrayBuffers;
  const text = strictTextDecoder.decode(bytes);
  expect(text).toHaveLength(64 * MIB);
  expect(bytes.length).toBe(0);
  expect(before - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(64 * MIB);
});

test("a message that is part of a larger buffer leaves the buffer as it is", () => {
  const buffer = new Uint8Array(2 * MIB).fill(0x61);
  expect(strictTextDecoder.decode(buffer.subarray(1))).toHaveLength(2 * MIB - 1);
  expect(buffer).toHaveLength(2 * MIB);
});
