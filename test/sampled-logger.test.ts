// The sampling of the log, with fake timers.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sampled } from "../src/sampled-logger.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function recorder() {
  const lines: string[] = [];
  const log = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return {
    lines,
    logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
  };
}

test("a message logged 1,000 times in a second gives ten lines, then one line with the number of the rest", () => {
  const { lines, logger } = recorder();
  const log = sampled(logger);
  for (let n = 1; n <= 1000; n++) log.error({ n }, "broken");
  expect(lines).toEqual(Array.from({ length: 10 }, (_, i) => `error broken {"n":${i + 1}}`));
  vi.advanceTimersByTime(1000);
  expect(lines.slice(10)).toEqual(['error broken {"suppressed":990}']);
  // The next second counts from zero.
  log.error({ n: 1001 }, "broken");
  expect(lines.at(-1)).toBe('error broken {"n":1001}');
});

test("each message is counted separately, and ten lines of one are all logged", () => {
  const { lines, logger } = recorder();
  const log = sampled(logger);
  for (let n = 1; n <= 10; n++) {
    log.info({ n }, "one");
    log.warn({ n }, "other");
  }
  vi.advanceTimersByTime(5000);
  expect(lines).toHaveLength(20);
});

test("all lines of levels that are not sampled are passed on", () => {
  const { lines, logger } = recorder();
  const log = sampled(logger, ["error"]);
  for (let n = 0; n < 100; n++) log.info({ n }, "started");
  for (let n = 0; n < 100; n++) log.error({ n }, "broken");
  vi.advanceTimersByTime(1000);
  expect(lines.filter((line) => line.startsWith("info"))).toHaveLength(100);
  expect(lines.filter((line) => line.startsWith("error"))).toHaveLength(11);
});

test("at most a hundred different messages are logged in a second", () => {
  const { lines, logger } = recorder();
  const log = sampled(logger);
  for (let n = 0; n < 5000; n++) log.info({}, `message ${n}`);
  expect(lines).toHaveLength(100);
  vi.advanceTimersByTime(1000);
  log.info({}, "message 4999");
  expect(lines.at(-1)).toBe("info message 4999 {}");
});

test("no timer is left after the second of the last line", () => {
  const { logger } = recorder();
  const log = sampled(logger);
  log.info({}, "once");
  vi.advanceTimersByTime(1000);
  expect(vi.getTimerCount()).toBe(0);
});
