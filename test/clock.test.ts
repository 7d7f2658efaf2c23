// Running time: timers longer than Node's own, and pauses that do not count.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createRunningClock } from "../src/clock.ts";

/** The longest Node can: 24.8 days. Beyond, it fires after 1 ms and warns. */
const NODE_LIMIT_MS = 2 ** 31 - 1;

/** Cannot detect pauses, so it needs no pulses. */
const { startTimer } = createRunningClock({
  nowMs: () => performance.now(),
  cpuMs: () => undefined,
  setTimer: (delayMs, onTime) => {
    const handle = setTimeout(onTime, delayMs);
    return () => clearTimeout(handle);
  },
});

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

/** A machine whose time passes only when the test says so: working, idle or frozen. */
function machine() {
  let nowMs = 1_000_000;
  let cpuMs = 0;
  const timers = new Set<{ dueMs: number; onTime: () => void }>();
  const fireDue = () => {
    for (;;) {
      const [next] = [...timers].filter(({ dueMs }) => dueMs <= nowMs).sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) return;
      timers.delete(next);
      next.onTime();
    }
  };
  const clock = createRunningClock({
    nowMs: () => nowMs,
    cpuMs: () => cpuMs,
    setTimer: (delayMs, onTime) => {
      const timer = { dueMs: nowMs + delayMs, onTime };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  });
  return {
    clock,
    timers,
    /** Timers fire on time. */
    run(ms: number) {
      const untilMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined || next.dueMs > untilMs) break;
        nowMs = next.dueMs;
        fireDue();
      }
      nowMs = untilMs;
    },
    /** Nothing runs meanwhile; afterwards, what came due fires. */
    freeze(ms: number) {
      nowMs += ms;
      fireDue();
    },
    /** A pause after which no timer has fired yet. */
    skip(ms: number) {
      nowMs += ms;
    },
    /** The loop is blocked by computing. */
    compute(ms: number) {
      nowMs += ms;
      cpuMs += ms;
      fireDue();
    },
  };
}

describe("a pause does not count", () => {
  test.each([
    [9_000, 2_600, 8_000],
    [5_000, 0, 8_000],
    [60_000, 30_000, 600_000],
    [60_000, 59_000, 90_000],
    [3_600_000, 1_800_000, 30 * 24 * 3_600_000],
    [200, 100, 2_000],
  ])("for a timer of %i ms that is frozen after %i ms for %i ms", (delayMs, beforeMs, frozenMs) => {
    const { clock, run, freeze } = machine();
    const onTime = vi.fn();
    clock.startTimer(delayMs, onTime);
    run(beforeMs);
    freeze(frozenMs);
    // At most a tenth of the delay too long; never too short after so long a pause.
    run(delayMs - beforeMs - 1);
    expect(onTime).not.toHaveBeenCalled();
    run(Math.max(1_000, delayMs / 10) + 1);
    expect(onTime).toHaveBeenCalledOnce();
  });

  test("also if other code asks for the time before any timer fires", () => {
    const { clock, run, skip, freeze } = machine();
    clock.startTimer(60_000, vi.fn());
    run(12_345);
    const before = clock.nowMs();
    skip(8_000);
    expect(clock.nowMs() - before).toBeLessThan(6_000);
    const after = clock.nowMs();
    freeze(0);
    expect(clock.nowMs()).toBe(after);
  });

  test("and its length is reported once", () => {
    const { clock, run, freeze } = machine();
    const lengths: number[] = [];
    const stop = clock.onPause((ms) => lengths.push(ms));
    clock.startTimer(60_000, vi.fn());
    clock.startTimer(20_000, vi.fn());
    run(10_000);
    freeze(90_000);
    run(1_000);
    return Promise.resolve().then(() => {
      expect(lengths).toEqual([expect.closeTo(90_000, -4)]);
      stop();
    });
  });
});

test("a loop that computes for long is not paused", () => {
  const { clock, run, compute } = machine();
  const onTime = vi.fn();
  clock.startTimer(9_000, onTime);
  run(1_500);
  compute(8_000);
  expect(onTime).toHaveBeenCalledOnce();
});

test("running time never goes back", () => {
  const { clock, run, freeze, compute } = machine();
  clock.startTimer(1e9, vi.fn());
  let last = clock.nowMs();
  for (let i = 0; i < 1_000; i++) {
    [run, freeze, compute][i % 3]?.((i * 7919) % 9_973);
    const now = clock.nowMs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});

test("without a pending timer nothing wakes up", () => {
  const { clock, timers, run } = machine();
  const timer = clock.startTimer(60_000, vi.fn());
  expect(timers.size).toBe(2);
  timer.cancel();
  expect(timers.size).toBe(0);
  clock.startTimer(5_000, vi.fn());
  run(10_000);
  expect(timers.size).toBe(0);
});

test("a pending timer of ten minutes wakes up every ten seconds, one of two seconds only once", () => {
  const { clock, timers } = machine();
  clock.startTimer(2_000, vi.fn());
  expect(timers.size).toBe(1);
  clock.startTimer(600_000, vi.fn());
  expect(timers.size).toBe(3);
});
