// The end of the agent after a bug: an exception or a rejection that reached the top. The state of the agent is
// unknown then, so nothing is saved: log the error with its causes, kill what the agent started, end the process.

import type { Logger } from "../logger.ts";

/** Two ways to end this process with the exit code of a bug. */
export interface CrashExits {
  /** Once stdout and stderr are written. */
  afterFlush(): void;
  now(): void;
}

/** `killAll` must be quick and may throw. A second crash meanwhile ends the process at once. */
export function endOnCrash(
  logger: Logger,
  { killAll, exits }: { readonly killAll: () => void; readonly exits: CrashExits },
): void {
  let crashed = false;
  // Also gets rejections: Node raises an unhandled one as an uncaught exception.
  process.on("uncaughtException", (error, origin) => {
    if (crashed) exits.now();
    crashed = true;
    logger.error({ err: error, origin }, "the agent crashed: this is a bug in holdfast");
    killAll();
    exits.afterFlush();
  });
}

/** Logs Node's own warnings. Node would print them as plain text between the JSON lines. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => logger.warn({ err: warning }, "a warning from Node"));
}
