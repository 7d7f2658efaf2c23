// The set of delivered bytes, compared with a naive one.

import { describe, expect, test } from "vitest";
import { Intervals } from "../../src/multiplexer/intervals.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ByteRanges } from "./byte-ranges.ts";

describe("intervals", () => {
  test("contain the same bytes as a naive set, after any additions in any order", () => {
    const random = seededRandom(1);
    const below = (limit: number) => Math.floor(random() * limit);
    for (let round = 0; round < 2_000; round++) {
      const [set, naive] = [new Intervals(), new ByteRanges()];
      for (let step = 0; step < 12; step++) {
        const from = below(40);
        const to = from + below(12);
        set.add(from, to);
        naive.add(from, to);
        set.checkInvariants();
        const at = below(50);
        expect([set.high, set.firstOutside(at), set.covers(from, at), set.outsideBytes(from, 50)]).toEqual([
          naive.high,
          naive.firstOutside(at),
          naive.contains(from, at),
          50 - from - naive.bytesIn(from, 50),
        ]);
      }
    }
  });

  test("added below an offset end there, and bytes removed below an offset are gone", () => {
    const [set, other] = [new Intervals(), new Intervals()];
    other.add(0, 10);
    other.add(20, 30);
    set.addBelow(25, other);
    expect(String(set)).toBe("[0, 10) [20, 25)");
    other.removeBelow(5);
    expect(String(other)).toBe("[5, 10) [20, 30)");
    other.removeBelow(20);
    expect(String(other)).toBe("[20, 30)");
  });

  test("keep a bounded number, and forget the lowest: its bytes are delivered again, not lost", () => {
    const set = new Intervals();
    for (let at = 0; at < 2_000; at++) set.add(2 * at, 2 * at + 1);
    expect(set.covers(0, 1)).toBe(false);
    expect(set.covers(3_998, 3_999)).toBe(true);
    set.checkInvariants();
  });
});
