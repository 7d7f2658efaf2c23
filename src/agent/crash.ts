// What happens after a bug: an exception or a rejection that reached the top. The agent logs the error with its causes and
// executes itself again, which keeps its processes. If it must not or cannot, it kills what it started and ends.

import type { Logger } from "../logger.ts";

/** Two ways to end this process with the exit code of a bug. */
export interface CrashExits {
  /** Once stdout and stderr are written. */
  afterFlush(): void;
  now(): void;
}

export interface CrashActions {
  /** Executes the agent again. Returns, or throws, if the agent must end instead. Synchronous: the loop may not turn again. */
  readonly restart: () => void;
  /** Must be quick and may throw. */
  readonly killAll: () => void;
  readonly exits: CrashExits;
}

/** A second crash meanwhile ends the process at once. */
export function endOnCrash(logger: Logger, { restart, killAll, exits }: CrashActions): void {
  let crashed = false;
  // Also gets rejections: Node raises an unhandled one as an uncaught exception.
  process.on("uncaughtException", (error, origin) => {
    if (crashed) exits.now();
    crashed = true;
    logger.error({ err: error, origin }, "the agent crashed: this is a bug in holdfast");
    try {
      restart();
    } catch (cause) {
      logger.error({ err: cause }, "the agent cannot be executed again after its crash: it ends");
    }
    killAll();
    exits.afterFlush();
  });
}

/** Logs Node's own warnings. Node would print them as plain text between the JSON lines. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => logger.warn({ err: warning }, "a warning from Node"));
}
