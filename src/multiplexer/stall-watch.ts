// Watches how long a shut gate has kept somebody waiting (rule 7). Who is to blame is the multiplexer's question.

import type { Clock, Timer } from "../clock.ts";

export class StallWatch {
  readonly #stallMs: number;
  readonly #clock: Clock;
  /** Called when it was on for `stallMs`; returns in how many ms to look again, if it is still on then. */
  readonly #onDue: () => number;
  #timer: Timer | undefined;
  #count = 0;

  constructor(stallMs: number, clock: Clock, onDue: () => number) {
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

  /** Whether somebody waits because others do not take. Cheap when nothing changed. */
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
      // What it did may have ended the watch, or begun a new one.
      if (this.#timer === timer) this.#arm(nextMs);
    });
    this.#timer = timer;
  }
}
