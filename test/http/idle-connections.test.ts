// Connections without a request are counted, and while the agent's memory is short, fewer of them are kept.

import { expect, test } from "vitest";
import { IdleConnections } from "../../src/http/connection/idle-connections.ts";

test("a lower limit closes the longest idle connections, and counts for the next ones", () => {
  const closed: string[] = [];
  const idle = new IdleConnections(4);
  const add = (name: string) => idle.add({}, () => void closed.push(name));
  for (const name of ["a", "b", "c", "d"]) add(name);
  expect(closed).toEqual([]);
  idle.setMax(2);
  expect(closed).toEqual(["a", "b"]);
  const leave = add("e");
  expect(closed).toEqual(["a", "b", "c"]);
  leave();
  idle.setMax(4);
  for (const name of ["f", "g", "h"]) add(name);
  expect([closed, idle.count]).toEqual([["a", "b", "c"], 4]);
});

test("each change of the number is reported, also when requests begin and connections end", () => {
  const counts: number[] = [];
  const idle = new IdleConnections(3, (count) => void counts.push(count));
  const leaves = [1, 2, 3, 4].map(() => idle.add({}, () => undefined));
  for (const leave of leaves) leave();
  idle.setMax(2);
  expect(counts).toEqual([1, 2, 3, 3, 2, 1, 0, 0]);
});
