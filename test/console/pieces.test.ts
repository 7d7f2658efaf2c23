// Output in pieces of any size, for a terminal that can be stored between two of them.

import fc from "fast-check";
import { expect, test } from "vitest";
import { Boundaries } from "../../console/terminal/boundaries.ts";
import { type Piece, Pieces } from "../../console/terminal/pieces.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const endsBetween = (text: string) => {
  const boundaries = new Boundaries();
  boundaries.read(bytes(text));
  return boundaries.isBetween;
};

test("output cannot be divided within a sequence or a character", () => {
  for (const text of [
    "a",
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x1b]0;title\x1b\\",
    "\x1bPq\x1b\\",
    "\x1b(B",
    "ä",
    "\x1b7",
    "\x1b[3\x18",
  ])
    expect(endsBetween(text), JSON.stringify(text)).toBe(true);
  for (const text of [
    "\x1b",
    "\x1b[",
    "\x1b[31",
    "\x1b]0;title",
    "\x1b]0;title\x1b",
    "\x1bPq",
    "\x1b(",
    "\x1bP\x07",
  ])
    expect(endsBetween(text), JSON.stringify(text)).toBe(false);
  expect(new Boundaries().read(bytes("ä").subarray(0, 1))).toBe(0);
  expect(new Boundaries().read(bytes("€🙂").subarray(0, 5))).toBe(3);
});

test("however the output is cut, its pieces are the same output and end between sequences", () => {
  const part = fc.constantFrom(
    "a",
    "\n",
    "\x1b[1;31m",
    "ä",
    "🙂",
    "\x1b]2;x\x07",
    "\x1bP+q\x1b\\",
    "\x1b[?1049h",
    "\x1b",
    "\x9b",
  );
  fc.assert(
    fc.property(fc.array(part), fc.array(fc.nat(7)), fc.nat(60), (parts, cuts, border) => {
      const all = bytes(parts.join(""));
      const pieces = new Pieces(border);
      const out: Piece[] = [];
      let at = 0;
      for (const cut of [...cuts, all.length]) {
        out.push(...pieces.take(all.subarray(at, at + cut), at));
        at = Math.min(all.length, at + cut);
      }
      out.push(...pieces.rest());
      let next = 0;
      for (const { data, from, to, isBetween } of out) {
        expect(from).toBe(next);
        expect(to - from).toBe(data.length);
        expect(data).toEqual(all.subarray(from, to));
        if (isBetween) expect(endsBetween(new TextDecoder().decode(all.subarray(0, to)))).toBe(true);
        // No piece spans the border.
        expect(from < border && to > border).toBe(false);
        next = to;
      }
      expect(next).toBe(all.length);
    }),
  );
});

test("a sequence that is longer than 4 KiB is passed on before it ends", () => {
  const pieces = new Pieces();
  const long = bytes(`\x1b]52;c;${"A".repeat(10_000)}`);
  const [piece] = pieces.take(long, 0);
  expect(piece).toMatchObject({ from: 0, isBetween: false });
  expect(pieces.take(bytes("\x07"), long.length)).toMatchObject([{ isBetween: true }]);
});
