// Time that passes only when the test advances it.

interface FakeTimer {
  readonly dueMs: number;
  readonly onTime: () => void;
}

export class FakeClock {
  #nowMs = 0;
  readonly #timers = new Set<FakeTimer>();

  nowMs(): number {
    return this.#nowMs;
  }

  startTimer(delayMs: number, onTime: () => void): { cancel(): void } {
    const timer = { dueMs: this.#nowMs + delayMs, onTime };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** The remaining times of all timers, the soonest first. */
  get pendingMs(): number[] {
    return [...this.#timers].map(({ dueMs }) => dueMs - this.#nowMs).sort((one, other) => one - other);
  }

  /** Fires the timers that come due on the way, in order, each at its time. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((one, other) => one.dueMs - other.dueMs);
      if (next === undefined || next.dueMs > untilMs) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.onTime();
    }
    this.#nowMs = untilMs;
  }
}
