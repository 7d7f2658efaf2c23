// Detects that a process is stuck in a write because no client reads its output (rule 9), reports it
// once per episode, and says since when. The kernel sends no event for it, so it is looked at when a
// client asks, and at growing intervals: at rest the agent hardly wakes up (rule 19).

import type { Clock, Timer } from "../../clock.ts";

const FIRST_LOOK_MS = 1_000;

export interface BlockedWatchOptions {
  /** Whether no client reads: the process is detached and the gate is closed. */
  readonly isUnread: () => boolean;
  /** Whether a write would wait now. */
  readonly isFull: () => boolean;
  /** Called once per episode. */
  readonly onBlocked: () => void;
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

  /** For how long the process has been seen to be blocked; undefined when it is not. */
  get blockedMs(): number | undefined {
    return this.#look();
  }

  /** The gate has closed: looks after a second, then after two more, four, and so on. */
  start(): void {
    if (this.#timer === undefined) this.#lookAfter(FIRST_LOOK_MS);
  }

  /** The gate has opened, or the process has ended. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#sinceMs = undefined;
  }

  #lookAfter(delayMs: number): void {
    this.#timer = this.#options.clock.startTimer(delayMs, () => {
      this.#look();
      this.#lookAfter(delayMs * 2);
    });
  }

  #look(): number | undefined {
    const { isUnread, isFull, onBlocked, clock } = this.#options;
    if (!isUnread() || !isFull()) {
      this.#sinceMs = undefined;
      return undefined;
    }
    if (this.#sinceMs === undefined) {
      this.#sinceMs = clock.nowMs();
      onBlocked();
    }
    return clock.nowMs() - this.#sinceMs;
  }
}
