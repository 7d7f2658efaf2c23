// Time, as an argument: the multiplexer has none of its own.

export interface Timer {
  /** A second call, or one after the timer fired, does nothing. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since whenever; never goes back. */
  nowMs(): number;
  /** Calls `onTime` once, not before `delayMs` have passed. */
  startTimer(delayMs: number, onTime: () => void): Timer;
}
