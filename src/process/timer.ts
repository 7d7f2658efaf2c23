// One-shot timers of any length: Node's own fire at once beyond 2^31-1 ms (24.8 days).

import type { Clock, Timer } from "../multiplexer/index.ts";

const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Calls `onTime` once, not before `delayMs` have passed. */
export function startTimer(delayMs: number, onTime: () => void): Timer {
  let remainingMs = delayMs;
  let handle: NodeJS.Timeout;
  const arm = () => {
    const stepMs = Math.min(remainingMs, MAX_TIMEOUT_MS);
    remainingMs -= stepMs;
    handle = setTimeout(() => (remainingMs > 0 ? arm() : onTime()), stepMs);
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

/** Real time, for the multiplexers. */
export const realClock: Clock = { nowMs: () => performance.now(), startTimer };
