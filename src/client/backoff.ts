// How long to wait before the next try, and when to stop trying.

import type { Verdict } from "./failures.ts";
import type { Settings } from "./settings.ts";

/** So many doubtful failures in a row are believed. */
const MAX_DOUBTS = 5;

export class Backoff {
  readonly #settings: Settings;
  readonly #patienceMs: number;
  #attempt = 0;
  #doubts = 0;
  /** Since when the agent was out of reach; undefined after a contact, until the next failure. */
  #sinceMs: number | undefined;
  /** When the connection that now holds was made. */
  #reachedMs: number | undefined;

  /** `patienceMs`: so long after now, or after the first failure that follows a contact, no try begins any more. */
  constructor(settings: Settings, patienceMs: number) {
    this.#settings = settings;
    this.#patienceMs = patienceMs;
    this.#sinceMs = settings.clock.nowMs();
  }

  /** Something came of the last try. */
  succeeded(): void {
    this.#attempt = 0;
    this.#doubts = 0;
    this.#sinceMs = undefined;
  }

  /** The agent was there. Whether anything comes of it is to be seen: the next wait may still be longer than the last. */
  reached(): void {
    this.#sinceMs = undefined;
    this.#reachedMs = this.#settings.clock.nowMs();
  }

  /** The next try's number and delay; undefined when there shall be none. */
  afterFailure(verdict: Verdict): { readonly attempt: number; readonly delayMs: number } | undefined {
    const { clock, random } = this.#settings;
    const nowMs = clock.nowMs();
    this.#sinceMs ??= nowMs;
    // A connection that held for longer than the next wait may be is no reason to wait longer than at first.
    if (this.#reachedMs !== undefined && nowMs - this.#reachedMs > this.#maxDelayMs()) this.#attempt = 0;
    this.#reachedMs = undefined;
    if (verdict === "doubtful") this.#doubts++;
    if (verdict === "final" || this.#doubts >= MAX_DOUBTS) return undefined;
    const delayMs = random() * this.#maxDelayMs();
    if (nowMs + delayMs - this.#sinceMs >= this.#patienceMs) return undefined;
    this.#attempt++;
    return { attempt: this.#attempt, delayMs };
  }

  #maxDelayMs(): number {
    const { initialDelayMs, maxDelayMs } = this.#settings;
    return Math.min(maxDelayMs, initialDelayMs * 2 ** this.#attempt);
  }
}
