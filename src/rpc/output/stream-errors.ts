// The errors with which streams of output end.

import type { Writable } from "node:stream";
import { startTimer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import type { Offset } from "../../multiplexer/index.ts";
import type { Process } from "../../process/index.ts";

/** How long a disconnected stream may take to accept its error. */
const CUT_LINGER_MS = 10_000;

/** A client that accepts no output does not accept its error either, and does not close its connection. */
export function closeSoon(connection: Writable): void {
  const timer = startTimer(CUT_LINGER_MS, () => connection.destroy());
  connection.once("close", () => timer.cancel());
}

/** Rule 11. */
export function cutError(at: Offset): HoldfastError {
  return new HoldfastError(
    "resource_exhausted",
    `this stream accepted nothing while other streams waited for it; disconnected at offset ${at}`,
  );
}

export function timeLimitError({ pid }: Process): HoldfastError {
  return new HoldfastError("deadline_exceeded", `process ${pid} was killed: its time limit passed`);
}
