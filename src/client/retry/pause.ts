// A wait that an AbortSignal, or another event, ends early.

import type { Clock } from "../../clock.ts";
import { deferred } from "../../deferred.ts";
import { untilAbort } from "../abort.ts";

/** Calls `wake` at an event, until the returned function is called. */
export type FollowWake = (wake: () => void) => () => void;

/**
 * Resolves after `delayMs`, or earlier at `wake`; rejects with the signal's reason as soon as `signal` aborts. Leaves nothing
 * behind. The event is not a promise: Promise.race with one that lasts would keep each wait for as long.
 */
export async function pause(
  clock: Clock,
  delayMs: number,
  signal: AbortSignal,
  followWake?: FollowWake,
): Promise<void> {
  const { promise, resolve } = deferred<void>();
  const timer = clock.startTimer(delayMs, resolve);
  const unfollow = followWake?.(resolve);
  try {
    await untilAbort(promise, signal);
  } finally {
    timer.cancel();
    unfollow?.();
  }
}
