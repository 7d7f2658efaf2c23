// Time as the client sees it: real, unless a test hands in its own.

import { untilAbort } from "./abort.ts";
import type { Clock } from "./types.ts";

/** setTimeout's limit: beyond it, it fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  nowMs: () => performance.now(),
  startTimer: (delayMs, onTime) => {
    const handle = setTimeout(onTime, Math.min(delayMs, MAX_TIMEOUT_MS));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  let cancel = () => {
    // No timer yet.
  };
  const time = new Promise<void>((resolve) => {
    cancel = clock.startTimer(delayMs, resolve).cancel;
  });
  try {
    await untilAbort(time, signal);
  } finally {
    cancel();
  }
}
