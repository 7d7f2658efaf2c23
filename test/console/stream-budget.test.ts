// The budget of streams, with windows that hear each other at once, late, or not at all.

import { expect, test } from "vitest";
import { type BudgetMessage, StreamBudget } from "../../console/session/stream-budget.ts";

interface Window {
  readonly budget: StreamBudget;
  readonly held: Set<string>;
  want(key: string): void;
}

function browser() {
  const windows: StreamBudget[] = [];
  let time = 0;
  const waiting: (() => void)[] = [];
  const open = (page: string): Window => {
    const held = new Set<string>();
    const budget = new StreamBudget({
      page,
      limit: 4,
      pageLimit: 3,
      now: () => ++time,
      onChange: () => undefined,
      post: (message: BudgetMessage) => {
        for (const other of windows) if (other !== budget) waiting.push(() => other.receive(message));
      },
    });
    windows.push(budget);
    budget.begin();
    budget.open();
    const want = (key: string) =>
      budget.want(key, { onGranted: () => held.add(key), onRevoked: () => held.delete(key) });
    return { budget, held, want };
  };
  const deliver = () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next();
  };
  return { open, deliver, drop: () => waiting.splice(0), wait: (ms: number) => (time += ms) };
}

test("a window has at most three streams, and all windows four", () => {
  const { open, deliver } = browser();
  const first = open("a");
  for (const key of ["1", "2", "3", "4"]) first.want(key);
  deliver();
  expect(first.held.size).toBe(3);
  const second = open("b");
  deliver();
  second.want("5");
  second.want("6");
  deliver();
  expect(second.held).toEqual(new Set(["5"]));
  expect(second.budget.inUse).toBe(4);
});

test("a stream that is released goes to the window that waits", () => {
  const { open, deliver } = browser();
  const [a, b] = [open("a"), open("b")];
  for (const key of ["1", "2", "3"]) a.want(key);
  deliver();
  b.want("4");
  b.want("5");
  deliver();
  expect(b.held.size).toBe(1);
  a.budget.release("1");
  deliver();
  expect(b.held.size).toBe(2);
});

test("of two windows that take the last stream at the same moment, the later one gives it up", () => {
  const { open, deliver } = browser();
  const [a, b] = [open("a"), open("b")];
  deliver();
  for (const key of ["1", "2", "3"]) a.want(key);
  deliver();
  const c = open("c");
  deliver();
  b.want("4");
  c.want("5");
  expect(b.held.size + c.held.size).toBe(2);
  deliver();
  expect(b.held.size).toBe(1);
  expect(c.held.size).toBe(0);
});

test("a take-over revokes the oldest stream of another window, and gets it", () => {
  const { open, deliver } = browser();
  const pages = ["a", "b", "c", "d", "e"].map(open);
  deliver();
  for (const [index, page] of pages.entries()) {
    page.want(`${index}`);
    deliver();
  }
  const [oldest, , , , last] = pages;
  expect(last?.held.size).toBe(0);
  // A window that waits before the last one hears of the free place, and leaves it.
  const before = open("0");
  before.want("5");
  deliver();
  last?.budget.takeOver("4");
  deliver();
  expect(before.held.size).toBe(0);
  expect(last?.held.size).toBe(1);
  expect(oldest?.held.size).toBe(0);
});

test("a window that is silent for ten seconds no longer counts", () => {
  const { open, deliver, drop, wait } = browser();
  const [a, b] = [open("a"), open("b")];
  deliver();
  for (const key of ["1", "2", "3"]) a.want(key);
  b.want("4");
  b.want("5");
  deliver();
  expect(b.held.size).toBe(1);
  wait(11_000);
  b.budget.beat();
  drop();
  expect(b.held.size).toBe(2);
});
