// Limits how often one message is logged. Clients decide how often some lines are logged, so in each
// second only the first lines with a message are passed on, then one line with the number of the rest.

import type { Logger } from "./logger.ts";

const LINES_A_SECOND = 10;
const SECOND_MS = 1000;
/**
 * Different messages counted in a second. The program has few messages; this bounds the memory if one
 * of them ever contains text from a client.
 */
const MAX_MESSAGES = 100;

type Level = keyof Logger;

interface Sample {
  readonly level: Level;
  count: number;
}

/**
 * Passes on the first 10 lines of each message in a second. At the end of the second it logs one line with
 * the same message and level, and the number of dropped lines as `suppressed`. Lines of levels that are
 * not in `levels` are passed on unchanged.
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
    // Does not keep the agent alive. When the agent ends first, the number of dropped lines is not logged.
    if (!isCounting) setTimeout(endSecond, SECOND_MS).unref();
    isCounting = true;
    if (sample.count <= LINES_A_SECOND) logger[level](fields, message);
  };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}
