// How long to wait before the next try, and when to stop trying.

import type { Settings } from "../client-settings.ts";
import type { Failure, Verdict } from "./failures.ts";

/** After this many doubtful failures in a row, the next one is final. */
const MAX_DOUBTS = 5;

export class Backoff {
  readonly #settings: Settings;
  readonly #patienceMs: number;
  #attempt = 0;
  #doubts = 0;
  /** When the agent was first out of reach; undefined after a contact, until the next failure. */
  #sinceMs: number | undefined;
  /** When the present connection was made. */
  #reachedMs: number | undefined;
  #skipsWait = false;

  /**
   * `patienceMs`: no try begins later than this after construction, or after the first failure that
   * follows a contact.
   */
  constructor(settings: Settings, patienceMs: number) {
    this.#settings = settings;
    this.#patienceMs = patienceMs;
    this.#sinceMs = settings.clock.nowMs();
  }

  /** The last try brought something. */
  succeeded(): void {
    this.#attempt = 0;
    this.#doubts = 0;
    this.#sinceMs = undefined;
  }

  /**
   * The agent answered. The next wait may still be longer than the last one: this connection may
   * bring nothing.
   */
  reached(): void {
    this.#sinceMs = undefined;
    this.#reachedMs = this.#settings.clock.nowMs();
  }

  /** The caller wants to connect now: the next try begins without a wait, and the waits after it with the shortest. */
  restart(): void {
    this.succeeded();
    this.#skipsWait = true;
  }

  /** The number and delay of the next try; undefined when there is none. */
  afterFailure(
    verdict: Verdict,
    { retryAfterMs = 0, isPlanned = false }: Pick<Failure, "retryAfterMs" | "isPlanned"> = {},
  ): { readonly attempt: number; readonly delayMs: number } | undefined {
    const { clock, random } = this.#settings;
    const nowMs = clock.nowMs();
    this.#sinceMs ??= nowMs;
    // After a connection that lasted longer than the next wait, the waits start again from the
    // shortest.
    if (this.#reachedMs !== undefined && nowMs - this.#reachedMs > this.#maxDelayMs()) this.#attempt = 0;
    this.#reachedMs = undefined;
    if (verdict === "doubtful") this.#doubts++;
    if (verdict === "final" || this.#doubts >= MAX_DOUBTS) return undefined;
    const spreadMs = isPlanned && this.#attempt === 0 ? this.#settings.spreadMs : 0;
    if (this.#skipsWait) {
      this.#skipsWait = false;
      this.#attempt++;
      return { attempt: this.#attempt, delayMs: 0 };
    }
    // In addition to the wait that was asked for, so that clients that got the same one do not return together.
    const delayMs = retryAfterMs + random() * Math.max(this.#maxDelayMs(), spreadMs);
    if (nowMs + delayMs - this.#sinceMs >= this.#patienceMs) return undefined;
    this.#attempt++;
    return { attempt: this.#attempt, delayMs };
  }

  #maxDelayMs(): number {
    const { initialDelayMs, maxDelayMs } = this.#settings;
    return Math.min(maxDelayMs, initialDelayMs * 2 ** this.#attempt);
  }
}
