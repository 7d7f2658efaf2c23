// Distinguishes slow clients from stalled ones. A frame is delivered when a connection has accepted all of it.
// Over a slow connection that takes longer than a client may hold up others (rule 11), so as long as
// the connection accepts some of it, the client is not stalled.

import { startTimer, type Timer } from "../../clock.ts";

const MIN_INTERVAL_MS = 20;
const MAX_INTERVAL_MS = 1000;

/** One timer for all streams, and none while there is no stream. It costs nothing per chunk. */
export class ProgressWatch {
  readonly #intervalMs: number;
  readonly #checks = new Set<() => void>();
  #timer: Timer | undefined;

  /** Runs its checks several times in `stallMs`. */
  constructor(stallMs: number) {
    this.#intervalMs = Math.min(Math.max(stallMs / 4, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
  }

  /** Calls `check` at intervals until `remove`. */
  add(check: () => void): void {
    this.#checks.add(check);
    if (this.#timer === undefined) this.#arm();
  }

  remove(check: () => void): void {
    this.#checks.delete(check);
    if (this.#checks.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = startTimer(this.#intervalMs, () => {
      this.#arm();
      for (const check of this.#checks) check();
    });
  }
}
