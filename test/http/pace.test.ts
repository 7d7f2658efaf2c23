// New connections begin a few in a turn of the event loop, so that hundreds at once delay no other client for long (rule 15).

import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { MAX_PER_TURN, Pace } from "../../src/http/connection/pace.ts";

test("those that come at once begin in their order, a few in each turn, and the first ones at once", async () => {
  const pace = new Pace();
  const begun: number[] = [];
  const count = 2 * MAX_PER_TURN + 5;
  for (let i = 0; i < count; i++) pace.add(() => void begun.push(i));
  const counts = [begun.length];
  for (let i = 0; i < 3; i++) {
    await turn();
    counts.push(begun.length);
  }
  expect(counts).toEqual([MAX_PER_TURN, 2 * MAX_PER_TURN, count, count]);
  expect(begun).toEqual(Array.from({ length: count }, (_, i) => i));
});

test("one that comes while others wait begins after them, and after a quiet time at once", async () => {
  const pace = new Pace();
  const begun: string[] = [];
  for (let i = 0; i < MAX_PER_TURN; i++) pace.add(() => undefined);
  pace.add(() => {
    begun.push("waiting");
    pace.add(() => void begun.push("from within"));
  });
  pace.add(() => void begun.push("last"));
  await turn();
  expect(begun.slice(0, 2)).toEqual(["waiting", "last"]);
  await turn();
  await turn();
  pace.add(() => void begun.push("at once"));
  expect(begun).toEqual(["waiting", "last", "from within", "at once"]);
});

test("owners take turns: one of many that wait is not behind all of another's", async () => {
  const pace = new Pace();
  const begun: string[] = [];
  const [hostile, other] = [{}, {}];
  for (let i = 0; i < 5 * MAX_PER_TURN; i++) pace.add(() => void begun.push("hostile"), hostile);
  for (const name of ["first", "second"]) pace.add(() => void begun.push(name), other);
  expect(begun).toHaveLength(MAX_PER_TURN);
  await turn();
  expect(begun.slice(MAX_PER_TURN, MAX_PER_TURN + 5)).toEqual([
    "hostile",
    "first",
    "hostile",
    "second",
    "hostile",
  ]);
  for (let i = 0; i < 4; i++) await turn();
  expect(begun).toHaveLength(5 * MAX_PER_TURN + 2);
});
