// A wait that an AbortSignal, or another event, ends early.

import type { Clock } from "../../clock.ts";
import { untilAbort } from "../abort.ts";

/**
 * Resolves after `delayMs`, or earlier with `wake`; rejects with the signal's reason as soon as `signal`
 * aborts.
 */
export async function pause(
  clock: Clock,
  delayMs: number,
  signal: AbortSignal,
  wake?: Promise<void>,
): Promise<void> {
  let cancel = () => {
    // There is no timer yet.
  };
  const time = new Promise<void>((resolve) => {
    cancel = clock.startTimer(delayMs, resolve).cancel;
  });
  try {
    await untilAbort(wake === undefined ? time : Promise.race([time, wake]), signal);
  } finally {
    cancel();
  }
}
