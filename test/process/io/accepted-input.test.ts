// How much input was accepted, of each writer and in total, with bounded memory for any number of
// writers.

import { expect, test } from "vitest";
import { AcceptedInput, checkWriter } from "../../../src/process/io/accepted-input.ts";

test("the bytes of a writer count for that writer and for the total", () => {
  const accepted = new AcceptedInput();
  expect(accepted.add(5, "one")).toBe(5);
  expect(accepted.add(3, "two")).toBe(3);
  expect(accepted.add(2, "one")).toBe(7);
  expect(accepted.add(10, undefined)).toBe(20);
  expect([accepted.bytesOf("one"), accepted.bytesOf("two"), accepted.bytesOf("three")]).toEqual([7, 3, 0]);
});

test("of more than 256 writers, the one that wrote longest ago is forgotten", () => {
  const accepted = new AcceptedInput();
  for (let n = 0; n < 256; n++) accepted.add(1, `writer ${n}`);
  accepted.add(1, "writer 0");
  accepted.add(1, "one more");
  expect(["writer 0", "writer 1", "writer 2", "one more"].map((name) => accepted.bytesOf(name))).toEqual([
    2, 0, 1, 1,
  ]);
});

test.each(["", "x".repeat(129)])("an empty or too long name of a writer is refused", (name) => {
  expect(() => checkWriter(name)).toThrow("must have 1 to 128");
});
