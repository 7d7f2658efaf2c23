// Measures how long a closed gate has kept a subscriber waiting (rule 11). The multiplexer decides
// which subscriber has stalled.

import type { Clock, Timer } from "../clock.ts";

export class StallWatch {
  readonly #stallMs: number;
  readonly #clock: Clock;
  /** Called when the watch was on for `stallMs`; returns in how many ms to call again if it is still on then. */
  readonly #onDue: () => number;
  #timer: Timer | undefined;
  #count: number;

  /** `count`: how often it was switched on before. */
  constructor(stallMs: number, clock: Clock, onDue: () => number, count = 0) {
    this.#count = count;
    this.#stallMs = stallMs;
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  /** How often it was switched on. */
  get count(): number {
    return this.#count;
  }

  /** Whether a subscriber waits because others do not accept output. Cheap when nothing changed. */
  set(isOn: boolean): void {
    if (isOn === this.isOn) return;
    if (isOn) {
      this.#count++;
      this.#arm(this.#stallMs);
    } else {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
  }

  #arm(delayMs: number): void {
    const timer = this.#clock.startTimer(delayMs, () => {
      const nextMs = this.#onDue();
      // `onDue` may have switched the watch off, or off and on again.
      if (this.#timer === timer) this.#arm(nextMs);
    });
    this.#timer = timer;
  }
}
