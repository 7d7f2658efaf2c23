// The errors with which streams of output end.

import { HoldfastError } from "../../errors.ts";
import type { Offset } from "../../multiplexer/index.ts";
import type { Process } from "../../process/index.ts";

/** How long a disconnected stream may take to accept its error. */
export const CUT_LINGER_MS = 10_000;

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
