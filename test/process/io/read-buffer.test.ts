// Rule 14: buffers to read into are not output and count in no budget, so their number is bounded.

import { expect, test } from "vitest";
import { ReadBuffer } from "../../../src/process/io/read-buffer.ts";

const LARGE = 64 * 1024;

test("at most 64 readers of much output have buffers of their own, and each gets the bytes that it read", () => {
  const readers = Array.from({ length: 200 }, () => new ReadBuffer());
  const shared = new ReadBuffer().current;
  const read = (reader: ReadBuffer, value: number) => {
    reader.current.fill(value);
    return reader.take(LARGE);
  };
  for (const round of [1, 2, 3]) {
    const pieces = readers.map((reader, index) => read(reader, index + round));
    expect(pieces.map((piece) => piece[0])).toEqual(readers.map((_, index) => (index + round) % 256));
    expect(new Set(pieces.map((piece) => piece.buffer)).size).toBe(readers.length);
    expect(readers.filter(({ current }) => current !== shared)).toHaveLength(64);
  }
  // One that reads little, and one that ends, make room for two others.
  readers[0]?.take(1);
  readers[1]?.close();
  readers[1]?.close();
  for (const reader of readers.slice(2)) read(reader, 0);
  expect(readers.filter(({ current }) => current !== shared)).toHaveLength(64);
  for (const reader of readers) reader.close();
  expect(readers.filter(({ current }) => current !== shared)).toHaveLength(0);
});
