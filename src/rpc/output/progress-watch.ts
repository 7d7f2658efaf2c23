// Tells slow clients from stalled ones. A frame counts as taken when a connection has taken all of it, which over a slow one
// lasts longer than a client may hold up others (rule 7); as long as it takes some of it, it is not stalled.

import { startTimer, type Timer } from "../../clock.ts";

const MIN_INTERVAL_MS = 20;
const MAX_INTERVAL_MS = 1000;

/** One timer for all streams, and none while there is no stream: nothing is done per chunk. */
export class ProgressWatch {
  readonly #intervalMs: number;
  readonly #lookers = new Set<() => void>();
  #timer: Timer | undefined;

  /** Often enough for who may stall for `stallMs`. */
  constructor(stallMs: number) {
    this.#intervalMs = Math.min(Math.max(stallMs / 4, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
  }

  /** `look` is called now and then until `remove`. */
  add(look: () => void): void {
    this.#lookers.add(look);
    if (this.#timer === undefined) this.#arm();
  }

  remove(look: () => void): void {
    this.#lookers.delete(look);
    if (this.#lookers.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = startTimer(this.#intervalMs, () => {
      this.#arm();
      for (const look of this.#lookers) look();
    });
  }
}
