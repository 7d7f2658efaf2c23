// Time that passes when a test says so.

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

  /** How long each timer that is set has still to go, the soonest first. */
  get pendingMs(): number[] {
    return [...this.#timers].map(({ dueMs }) => dueMs - this.#nowMs).sort((one, other) => one - other);
  }

  /** Fires what comes due on the way, in its order, each at its time. */
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
