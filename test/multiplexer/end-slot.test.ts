import { expect, test } from "vitest";
import { EndSlot } from "../../src/multiplexer/end-slot.ts";

test("a slot that was not set has no value", () => {
  const slot = new EndSlot<{ code: number }>();
  expect(slot.isSet).toBe(false);
  expect(slot.value).toBeUndefined();
});

test("every reader of a set slot finds the same end", () => {
  const slot = new EndSlot<{ code: number }>();
  const end = { code: 3 };
  slot.set(end);
  expect(slot.isSet).toBe(true);
  expect(slot.value).toBe(end);
  expect(slot.value).toBe(end);
});

test("a second end is refused and the first one stays", () => {
  const slot = new EndSlot<{ code: number }>();
  const first = { code: 0 };
  slot.set(first);
  expect(() => slot.set({ code: 1 })).toThrow("the end slot is set already");
  expect(() => slot.set(first)).toThrow("the end slot is set already");
  expect(slot.value).toBe(first);
});
