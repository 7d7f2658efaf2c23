// One-shot timers longer than Node's own.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startTimer } from "../src/clock.ts";

/** The longest Node can: 24.8 days. Beyond, it fires after 1 ms and warns. */
const NODE_LIMIT_MS = 2 ** 31 - 1;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each([1, 1_000, NODE_LIMIT_MS, NODE_LIMIT_MS + 1, 2 ** 32 + 5, 10 * NODE_LIMIT_MS])(
  "a timer of %i ms fires then, not before, and once",
  (delayMs) => {
    const onTime = vi.fn();
    startTimer(delayMs, onTime);

    vi.advanceTimersByTime(delayMs - 1);
    expect(onTime).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onTime).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(delayMs);
    expect(onTime).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  },
);

test("a timer of 0 ms fires, but not within the call", () => {
  const onTime = vi.fn();
  startTimer(0, onTime);
  expect(onTime).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onTime).toHaveBeenCalledOnce();
});

test("the longest timer a request may ask for runs for years without firing and can be cancelled", () => {
  const onTime = vi.fn();
  const timer = startTimer(2 ** 53, onTime);
  vi.advanceTimersByTime(100 * NODE_LIMIT_MS);
  expect(onTime).not.toHaveBeenCalled();
  timer.cancel();
  expect(vi.getTimerCount()).toBe(0);
});

test.each([0, 1, 2, 3])(
  "a timer cancelled after %i of its steps never fires, and a second cancel does nothing",
  (steps) => {
    const onTime = vi.fn();
    const timer = startTimer(4 * NODE_LIMIT_MS, onTime);
    vi.advanceTimersByTime(steps * NODE_LIMIT_MS);
    timer.cancel();
    timer.cancel();

    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(5 * NODE_LIMIT_MS);
    expect(onTime).not.toHaveBeenCalled();
  },
);

test("cancelling a timer that has fired does nothing", () => {
  const onTime = vi.fn();
  const timer = startTimer(5, onTime);
  vi.advanceTimersByTime(5);
  timer.cancel();
  expect(onTime).toHaveBeenCalledOnce();
});
