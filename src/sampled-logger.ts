// For lines whose number others decide: of each message the first few a second, then how many more there were.

import type { Logger } from "./logger.ts";

const LINES_A_SECOND = 10;
const SECOND_MS = 1000;
/** Messages are written in this program and few; whoever makes them up from what clients send shall not fill the memory. */
const MAX_MESSAGES = 100;

type Level = keyof Logger;

interface Sample {
  readonly level: Level;
  count: number;
}

/**
 * Passes on the first 10 lines of each message in a second, and at its end one with the same message and level and the number
 * of those left out as `suppressed`. Lines of the levels not in `levels` are passed on as they are.
 */
export function sampled(
  logger: Logger,
  levels: readonly Level[] = ["debug", "info", "warn", "error"],
): Logger {
  const samples = new Map<string, Sample>();
  let isCounting = false;
  const endSecond = () => {
    isCounting = false;
    for (const [message, { level, count }] of samples) {
      if (count > LINES_A_SECOND) logger[level]({ suppressed: count - LINES_A_SECOND }, message);
    }
    samples.clear();
  };
  const log = (level: Level) => (fields: object, message: string) => {
    if (!levels.includes(level)) return logger[level](fields, message);
    const known = samples.get(message);
    if (known === undefined && samples.size >= MAX_MESSAGES) return;
    const sample = known ?? { level, count: 0 };
    samples.set(message, sample);
    sample.count++;
    // Does not keep the agent alive: what it would say then is lost with it.
    if (!isCounting) setTimeout(endSecond, SECOND_MS).unref();
    isCounting = true;
    if (sample.count <= LINES_A_SECOND) logger[level](fields, message);
  };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}
