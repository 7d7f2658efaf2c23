// Changes that no event reports are found in rounds, so that a poll costs little with many processes.

import { afterEach, expect, test, vi } from "vitest";
import { SilentChanges } from "../../../src/process/table/silent-changes.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

class Looked {
  looks = 0;
  clockReads = 0;

  get blockedMs(): undefined {
    this.looks++;
    return undefined;
  }

  get startedAtMs(): number {
    this.clockReads++;
    return 0;
  }
}

const none = () => [];

test("a poll a second looks at a fifth of 1,000 processes, and each is looked at within five", () => {
  const live = new Set(Array.from({ length: 1000 }, () => new Looked()));
  const changes = new SilentChanges(live);
  const looks = () => [...live].reduce((sum, process) => sum + process.looks, 0);
  changes.detect(0, none);
  expect(looks()).toBe(1000);
  for (let second = 1; second <= 5; second++) {
    changes.detect(1000 * second, none);
    expect(looks()).toBe(1000 + 200 * second);
  }
  expect([...live].map((process) => process.looks)).toEqual(Array.from({ length: 1000 }, () => 2));
});

test("a few processes are looked at in each poll, however often", () => {
  const live = new Set(Array.from({ length: 64 }, () => new Looked()));
  const changes = new SilentChanges(live);
  for (let poll = 1; poll <= 10; poll++) {
    changes.detect(poll, none);
    for (const process of live) expect(process.looks).toBe(poll);
  }
});

test("a round continues over processes that end and start meanwhile", () => {
  const first = Array.from({ length: 200 }, () => new Looked());
  const live = new Set(first);
  const changes = new SilentChanges(live);
  changes.detect(0, none);
  for (const process of first.slice(0, 150)) live.delete(process);
  const late = Array.from({ length: 100 }, () => new Looked());
  for (const process of late) live.add(process);
  for (let second = 1; second <= 5; second++) changes.detect(1000 * second, none);
  for (const process of late) expect(process.looks).toBeGreaterThan(0);
  live.clear();
  changes.detect(20_000, none);
});

test("the times of the starts are read again only after the wall clock was set", () => {
  const process = new Looked();
  const changes = new SilentChanges(new Set([process]));
  changes.detect(0, () => [process]);
  changes.detect(1000, () => [process]);
  expect(process.clockReads).toBe(0);
  const now = Date.now();
  vi.spyOn(Date, "now").mockReturnValue(now + 3_600_000);
  changes.detect(2000, () => [process]);
  expect(process.clockReads).toBe(1);
});
