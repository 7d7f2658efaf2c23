// The time limit of a transfer: how long it may make no progress, in running time. Progress resets it. There is no limit
// for the whole transfer: a slow client that accepts or sends anything is served to the end.

import { realClock, startTimer, type Timer } from "../../clock.ts";

export interface IdleWatch {
  /** Something arrived or was accepted. Cheap: no timer is touched. */
  noteProgress(): void;
  /** A second call does nothing. */
  stop(): void;
}

/**
 * Calls `onIdle` once, after `idleMs` without progress. `readProgress` is asked before that: another number than the time
 * before counts as progress.
 */
export function watchIdle(
  idleMs: number,
  onIdle: () => void,
  readProgress: () => number = () => 0,
): IdleWatch {
  let progressAtMs = realClock.nowMs();
  let seen = readProgress();
  let timer: Timer;
  const arm = (delayMs: number) => {
    timer = startTimer(delayMs, () => {
      const now = readProgress();
      if (now !== seen) progressAtMs = realClock.nowMs();
      seen = now;
      const idleForMs = realClock.nowMs() - progressAtMs;
      if (idleForMs >= idleMs) onIdle();
      else arm(idleMs - idleForMs);
    });
  };
  arm(idleMs);
  return {
    noteProgress: () => {
      progressAtMs = realClock.nowMs();
    },
    stop: () => timer.cancel(),
  };
}
