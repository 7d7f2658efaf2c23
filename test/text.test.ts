// Texts of clients, counted and shortened in characters: an emoji is one, though JavaScript gives it two units.

import { expect, test } from "vitest";
import { clipMessage } from "../src/rpc/error-mapping.ts";
import { clip, clipMiddle, countCharacters, lengthProblem } from "../src/text.ts";

const EMOJI = "😀";

test.each([
  ["", 0],
  ["abc", 3],
  [EMOJI.repeat(200), 200],
  [`a${EMOJI}b`, 3],
  // Half a pair is one character of no text.
  ["a\ud83d", 2],
  ["\ude00\ud83d", 2],
])("%j has %i characters", (text, count) => {
  expect(countCharacters(text)).toBe(count);
});

test("a limit counts an emoji once, and its message has the true count", () => {
  expect(lengthProblem(EMOJI.repeat(256), { most: 256 })).toBeUndefined();
  expect(lengthProblem(EMOJI.repeat(257), { most: 256 })).toBe("has 257 characters, must have 1 to 256");
  expect(lengthProblem(EMOJI.repeat(1000), { most: 256, least: 0 })).toBe(
    "has 1000 characters; the limit is 256",
  );
  expect(lengthProblem("", { most: 256 })).toBe("has 0 characters, must have 1 to 256");
  expect(lengthProblem("", { most: 256, least: 0 })).toBeUndefined();
});

test("200 emoji are shown whole, and of 201 the first 200", () => {
  expect(clip(EMOJI.repeat(200))).toBe(EMOJI.repeat(200));
  expect(clip(EMOJI.repeat(201))).toBe(`${EMOJI.repeat(200)}…`);
  expect(clip("x".repeat(201))).toBe(`${"x".repeat(200)}…`);
});

test("the middle of a text is left out at characters", () => {
  expect(clipMiddle(`ab${EMOJI.repeat(5)}yz`, 9)).toBe(`ab${EMOJI.repeat(5)}yz`);
  expect(clipMiddle(`ab${EMOJI.repeat(5)}yz`, 6)).toBe(`ab${EMOJI} … ${EMOJI}yz`);
  expect(clipMiddle("abcdefghij", 5)).toBe("ab … ij");
});

test("an error message of emoji is within 4,000 encoded bytes", () => {
  const message = clipMessage(EMOJI.repeat(3000));
  expect(encodeURIComponent(message).length).toBeLessThanOrEqual(4000);
  expect(countCharacters(message)).toBeGreaterThan(300);
  expect(message).not.toContain("\ufffd");
});
