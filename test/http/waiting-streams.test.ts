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
  const free = Array.from({ length: 8 }, () => waiting.add(one, 100));
  expect(free).not.toContain(undefined);
  expect(counts).toEqual([]);
  const counted = [waiting.add(one, 100), waiting.add(one, 100)];
  expect(counted).not.toContain(undefined);
  expect(waiting.add(one, 100)).toBeUndefined();
  expect(waiting.add(other, 100)).toBeDefined();
  expect(counts).toEqual([1, 2, 3]);
  counted[0]?.();
  expect(counts.at(-1)).toBe(1);
  expect(waiting.add(one, 100)).toBeDefined();
  // One of the free ones leaves: the next is free again.
  const before = counts.length;
  free[0]?.();
  free[1]?.();
  expect(waiting.add(one, 100)).toBeUndefined();
  free[2]?.();
  free[3]?.();
  expect(waiting.add(one, 100)).toBeDefined();
  expect(counts.length).toBeGreaterThan(before);
});

test("a stream with long headers needs room from the first on, and its headers count until it waits no longer", () => {
  const bytes: number[] = [];
  const waiting = new WaitingStreams((_, headerBytes) => {
    bytes.push(headerBytes);
    return headerBytes <= 100_000;
  });
  const leave = waiting.add({}, 60_000);
  expect(waiting.add({}, 60_000)).toBeUndefined();
  leave?.();
  expect(waiting.add({}, 60_000)).toBeDefined();
  expect(bytes).toEqual([60_000, 120_000, 0, 60_000]);
});
