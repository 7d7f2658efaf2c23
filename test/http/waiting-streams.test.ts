// Streams of HTTP/2 that wait for their turn need room (rule 14), but for a few of each connection.

import { expect, test } from "vitest";
import { WaitingStreams } from "../../src/http/connection/waiting-streams.ts";

test("eight streams of each connection wait without room; the others count until they wait no longer", () => {
  const counts: number[] = [];
  const waiting = new WaitingStreams((streams) => {
    counts.push(streams);
    return streams <= 2;
  });
  const [one, other] = [{}, {}];
  const free = Array.from({ length: 8 }, () => waiting.add(one));
  expect(free).not.toContain(undefined);
  expect(counts).toEqual([]);
  const counted = [waiting.add(one), waiting.add(one)];
  expect(counted).not.toContain(undefined);
  expect(waiting.add(one)).toBeUndefined();
  expect(waiting.add(other)).toBeDefined();
  expect(counts).toEqual([1, 2, 3]);
  counted[0]?.();
  expect(counts.at(-1)).toBe(1);
  expect(waiting.add(one)).toBeDefined();
  // One of the free ones leaves: the next is free again.
  const before = counts.length;
  free[0]?.();
  free[1]?.();
  expect(waiting.add(one)).toBeUndefined();
  free[2]?.();
  free[3]?.();
  expect(waiting.add(one)).toBeDefined();
  expect(counts.length).toBeGreaterThan(before);
});
