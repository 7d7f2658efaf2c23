// How much input was accepted, of each writer and in all; and that writers without end cost no memory without end.

import { expect, test } from "vitest";
import { AcceptedInput } from "../../../src/process/io/accepted-input.ts";

test("each writer's bytes count for it alone, and all bytes in all", () => {
  const accepted = new AcceptedInput();
  expect(accepted.add(5, "one")).toBe(5);
  expect(accepted.add(3, "two")).toBe(3);
  expect(accepted.add(2, "one")).toBe(7);
  expect(accepted.add(10, undefined)).toBe(20);
  expect([accepted.bytesOf("one"), accepted.bytesOf("two"), accepted.bytesOf("three")]).toEqual([7, 3, 0]);
});

test("of more than 256 writers those are forgotten that wrote longest ago", () => {
  const accepted = new AcceptedInput();
  for (let n = 0; n < 256; n++) accepted.add(1, `writer ${n}`);
  accepted.add(1, "writer 0");
  accepted.add(1, "one more");
  expect(["writer 0", "writer 1", "writer 2", "one more"].map((name) => accepted.bytesOf(name))).toEqual([
    2, 0, 1, 1,
  ]);
});

test.each(["", "x".repeat(129)])("a writer's name of a length nobody would choose is refused", (name) => {
  expect(() => new AcceptedInput().add(1, name)).toThrow("must have 1 to 128");
});
