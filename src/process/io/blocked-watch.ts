// Detects that a process is stuck in a write because no client reads its output (rule 9), reports it
// once per episode, and says since when. The kernel sends no event for it, so the watch looks a few
// times after the gate has closed, then only when a client asks: at rest the agent does not wake up
// (rule 19).

import type { Clock, Timer } from "../../clock.ts";

const FIRST_LOOK_MS = 1_000;
/** After 1, 3, 7, 15, 31 and 63 seconds. */
const MAX_DELAY_MS = 32_000;

export interface BlockedWatchOptions {
  /** Whether no client reads: the process is detached and the gate is closed. */
  readonly isUnread: () => boolean;
  /** Whether a write would wait now. */
  readonly isFull: () => boolean;
  /** Called once per episode. */
  readonly onBlocked: () => void;
  /** Called when `blockedMs` becomes a number or undefined. */
  readonly onChange: () => void;
  readonly clock: Clock;
}

export class BlockedWatch {
  readonly #options: BlockedWatchOptions;
  #timer: Timer | undefined;
  /** When it was seen first in this episode. */
  #sinceMs: number | undefined;

  constructor(options: BlockedWatchOptions) {
    this.#options = options;
  }

  /** When the present episode was seen first; undefined if there is none. */
  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }

  /** An episode that was reported already. Call it before `start`. */
  resume(sinceMs: number | undefined): void {
    this.#sinceMs = sinceMs;
  }

  /** For how long the process has been seen to be blocked; undefined when it is not. */
  get blockedMs(): number | undefined {
    return this.#look();
  }

  /** The gate has closed. */
  start(): void {
    if (this.#timer === undefined) this.#lookAfter(FIRST_LOOK_MS);
  }

  /** The gate has opened, or the process has ended. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endEpisode();
  }

  #lookAfter(delayMs: number): void {
    this.#timer = this.#options.clock.startTimer(delayMs, () => {
      this.#timer = undefined;
      this.#look();
      if (delayMs < MAX_DELAY_MS) this.#lookAfter(delayMs * 2);
    });
  }

  #look(): number | undefined {
    const { isUnread, isFull, onBlocked, onChange, clock } = this.#options;
    if (!isUnread() || !isFull()) return this.#endEpisode();
    if (this.#sinceMs === undefined) {
      this.#sinceMs = clock.nowMs();
      onBlocked();
      onChange();
    }
    return clock.nowMs() - this.#sinceMs;
  }

  #endEpisode(): undefined {
    if (this.#sinceMs === undefined) return;
    this.#sinceMs = undefined;
    this.#options.onChange();
  }
}
