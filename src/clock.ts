// Time. Everything that waits takes a `Clock` as an argument; only this file and the tests' fake clock make one.

/** The longest delay of setTimeout, in milliseconds (24.8 days). With a longer one it fires at once. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** A started timer. */
export interface Timer {
  /** A second call, or one after the timer fired, does nothing. */
  cancel(): void;
}

/** The source of time for everything that waits. */
export interface Clock {
  /** Milliseconds since an arbitrary moment. Never goes back. */
  nowMs(): number;
  /** Calls `onTime` once, not before `delayMs` have passed. */
  startTimer(delayMs: number, onTime: () => void): Timer;
}

/** Calls `onTime` once, not before `delayMs` have passed. The delay may be longer than `MAX_TIMEOUT_MS`. */
export function startTimer(delayMs: number, onTime: () => void): Timer {
  let remainingMs = delayMs;
  let handle: ReturnType<typeof setTimeout>;
  const arm = () => {
    const stepMs = Math.min(remainingMs, MAX_TIMEOUT_MS);
    remainingMs -= stepMs;
    handle = setTimeout(() => (remainingMs > 0 ? arm() : onTime()), stepMs);
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

export const realClock: Clock = { nowMs: () => performance.now(), startTimer };
