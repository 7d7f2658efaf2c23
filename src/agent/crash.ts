// The end nobody planned: an exception or a rejection that reached the top. The state is unknown, so nothing is saved:
// log it with its causes, kill what the agent started, end with the exit code for a bug.

import { endAfterFlush, exitCodes } from "../cli/index.ts";
import type { Logger } from "../logger.ts";

/** `killAll` must be quick and may throw. A second crash on the way out ends the process where it stands. */
export function endOnCrash(logger: Logger, killAll: () => void): void {
  let crashed = false;
  // Rejections come here too: Node raises an unhandled one as an uncaught exception.
  process.on("uncaughtException", (error, origin) => {
    if (crashed) process.exit(exitCodes.crashed);
    crashed = true;
    logger.error({ err: error, origin }, "the agent crashed: this is a bug in holdfast");
    killAll();
    void endAfterFlush(exitCodes.crashed);
  });
}

/** Node's own warnings, which it would print as plain text amid the JSON lines. */
export function logWarnings(logger: Logger): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => logger.warn({ err: warning }, "a warning from Node"));
}
