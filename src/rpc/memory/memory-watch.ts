// Keeps resident memory below the budget and 100 MB (rule 14). What clients hold is counted, and the rest is measured: garbage that
// V8 has not collected, gaps between blocks, connections, code. Many kinds of requests leave garbage, so while resident memory
// is high it is looked at all the time:
//
//   beyond the budget by   40 MB   watched; garbage is collected, in at most a fifth of the time
//                          45      in at most half of the time
//                          52      in all of the time, and at times even if nothing is known to be new
//
// Memory is *short* when two collections in a row leave 50 MB or more. This ends below 42 MB, or when the agent is not used for
// ten seconds, or after a time: what was held may only leave when more is accepted. That time is a second, and doubles
// each time that memory is soon short again. After it, memory is *scarce* for four times as long.

import type { Clock, Timer } from "../../clock.ts";

/** What is watched, and what can be done. Garbage counts as resident. */
export interface Memory {
  /** How far resident memory exceeds what is allowed. */
  beyondBytes(): number;
  /** What is new since the last collection. */
  newBytes(): number;
  /** Whether that is enough for another one. */
  isWorthCollecting(): boolean;
  /** The same for buffers alone, of which a collection of new objects frees most. */
  areBuffersWorthCollecting(): boolean;
  collectAll(): void;
  collectNew(): void;
  /** Returns to the kernel what is there to return without a collection. */
  returnUnused(): void;
}

/** `scarce`: it was short a little while ago, and may be again. */
export type MemoryState = "enough" | "scarce" | "short";

/** No function may throw. */
export interface MemoryEvents {
  /** Called at each look. */
  onLook(isWatched: boolean): void;
  /** Called for each change. It was `enough` at first. */
  onState(state: MemoryState): void;
}

export const WATCHED_BYTES = 40_000_000;
export const URGENT_BYTES = 45_000_000;
export const SHORT_BYTES = 50_000_000;
export const RELIEVED_BYTES = 42_000_000;
export const CRITICAL_BYTES = 52_000_000;

/** After a collection, the next one waits so many times as long as it took. From CRITICAL_BYTES on it does not wait. */
const PAUSE_FACTOR = 4;
const URGENT_PAUSE_FACTOR = 1;
/**
 * What was in use at the last collection may be garbage by now, so it is tried. The next try waits twice as long as the last one
 * took. After a try that freed less than WORTH_A_TRY_BYTES, this factor doubles.
 */
const LEAST_TRY_FACTOR = 2;
const MOST_TRY_FACTOR = 256;
const WORTH_A_TRY_BYTES = 4_000_000;
/** A collection is at least as long as this for the pauses after it: clocks are coarse. */
const LEAST_COLLECTION_MS = 1;

/** How long memory is short if it is not relieved before. It doubles when memory is short again while it is scarce. */
export const LEAST_SHORT_MS = 1000;
export const MOST_SHORT_MS = 8000;
/** Memory is scarce for so many times as long as it was short at most. */
export const SCARCE_FACTOR = 4;

/** V8 frees the memory of buffers in another thread, so a collection is judged so long after its end. */
const FREED_AFTER_MS = 10;

/** A refused body of 15 MB arrives within 20 ms. A look takes 30 microseconds. */
const WATCH_MS = 5;
/** After so many looks at which a collection was not worth its time, the watch ends, or is slow while memory is short. */
const WATCH_LOOKS = 200;
const SLOW_WATCH_MS = 1000;
/** After so many slow looks, memory counts as not short: nobody uses the agent, and the next work measures again. */
const SLOW_LOOKS = 10;

export class MemoryWatch {
  readonly #memory: Memory;
  readonly #events: MemoryEvents;
  readonly #clock: Clock;
  #state: MemoryState = "enough";
  /** When memory became short last. */
  #shortSinceMs = 0;
  #shortMs = LEAST_SHORT_MS;
  #scarceTimer: Timer | undefined;
  /** How many collections in a row left so much that memory is short. One can come while a large message is in use. */
  #collectionsInVain = 0;
  /** When the last collection can be judged; undefined if it was. */
  #judgedAtMs: number | undefined;
  #lastEndMs = Number.NEGATIVE_INFINITY;
  #lastTookMs = 0;
  #nextTryMs = 0;
  #tryFactor = LEAST_TRY_FACTOR;
  #timer: Timer | undefined;
  #looksLeft = 0;
  #slowLooksLeft = 0;

  constructor(memory: Memory, events: MemoryEvents, clock: Clock) {
    this.#memory = memory;
    this.#events = events;
    this.#clock = clock;
  }

  /** To be called after much work. Collects all garbage if much memory is resident and it is worth its time, and says whether it did. */
  look(): boolean {
    const beyondBytes = this.#memory.beyondBytes();
    const isWatched = beyondBytes >= WATCHED_BYTES;
    this.#events.onLook(isWatched);
    const isPast = this.#isShort && this.#clock.nowMs() - this.#shortSinceMs >= this.#shortMs;
    if (beyondBytes < RELIEVED_BYTES || isPast) this.#relieve();
    if (!isWatched) {
      this.#stop();
      return false;
    }
    if (this.#timer === undefined) this.#start();
    if (beyondBytes >= URGENT_BYTES) {
      this.#memory.returnUnused();
      if (this.#memory.areBuffersWorthCollecting()) this.#memory.collectNew();
    }
    this.#judge(beyondBytes);
    if (!this.#isDue(beyondBytes)) return false;
    this.#collect(beyondBytes);
    return true;
  }

  /** Says that memory is short if the last collections left too much. */
  #judge(beyondBytes: number): void {
    if (this.#judgedAtMs === undefined || this.#clock.nowMs() < this.#judgedAtMs) return;
    this.#judgedAtMs = undefined;
    const isVain = beyondBytes - this.#memory.newBytes() >= SHORT_BYTES;
    this.#collectionsInVain = isVain ? this.#collectionsInVain + 1 : 0;
    if (this.#collectionsInVain >= 2) this.#becomeShort();
    // A second opinion, soon.
    else if (this.#collectionsInVain === 1) this.#nextTryMs = 0;
  }

  #isDue(beyondBytes: number): boolean {
    const nowMs = this.#clock.nowMs();
    const isDoubted = this.#collectionsInVain === 1 && this.#judgedAtMs === undefined;
    if (!this.#memory.isWorthCollecting())
      return (beyondBytes >= CRITICAL_BYTES || isDoubted) && nowMs >= this.#nextTryMs;
    // Memory is used again: the watch may have become slow.
    if (this.#looksLeft === 0) this.#start();
    this.#looksLeft = WATCH_LOOKS;
    if (beyondBytes >= CRITICAL_BYTES) return true;
    const factor = beyondBytes >= URGENT_BYTES ? URGENT_PAUSE_FACTOR : PAUSE_FACTOR;
    return nowMs >= this.#lastEndMs + factor * this.#lastTookMs;
  }

  #collect(beyondBytes: number): void {
    const startMs = this.#clock.nowMs();
    this.#memory.collectAll();
    const leftBytes = this.#memory.beyondBytes();
    const endMs = this.#clock.nowMs();
    this.#judgedAtMs ??= endMs + FREED_AFTER_MS;
    const tookMs = Math.max(LEAST_COLLECTION_MS, endMs - startMs);
    this.#lastEndMs = endMs;
    this.#lastTookMs = tookMs;
    const wasWorthIt = beyondBytes - leftBytes >= WORTH_A_TRY_BYTES;
    this.#tryFactor = wasWorthIt ? LEAST_TRY_FACTOR : Math.min(2 * this.#tryFactor, MOST_TRY_FACTOR);
    this.#nextTryMs = endMs + this.#tryFactor * tookMs;
  }

  get #isShort(): boolean {
    return this.#state === "short";
  }

  #become(state: MemoryState): void {
    this.#state = state;
    this.#events.onState(state);
  }

  #becomeShort(): void {
    if (this.#isShort) return;
    this.#shortSinceMs = this.#clock.nowMs();
    this.#shortMs = this.#state === "scarce" ? Math.min(2 * this.#shortMs, MOST_SHORT_MS) : LEAST_SHORT_MS;
    this.#scarceTimer?.cancel();
    this.#become("short");
  }

  #relieve(): void {
    this.#collectionsInVain = 0;
    this.#judgedAtMs = undefined;
    this.#tryFactor = LEAST_TRY_FACTOR;
    this.#nextTryMs = 0;
    if (!this.#isShort) return;
    this.#scarceTimer = this.#clock.startTimer(SCARCE_FACTOR * this.#shortMs, () => this.#become("enough"));
    this.#become("scarce");
  }

  #start(): void {
    this.#looksLeft = WATCH_LOOKS;
    this.#slowLooksLeft = SLOW_LOOKS;
    this.#lookIn(WATCH_MS);
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #lookIn(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.startTimer(delayMs, () => this.#onTime());
  }

  #onTime(): void {
    this.look();
    if (this.#timer === undefined) return;
    if (this.#looksLeft > 0) {
      this.#looksLeft--;
      this.#lookIn(WATCH_MS);
    } else if (this.#isShort && this.#slowLooksLeft > 0) {
      this.#slowLooksLeft--;
      // Without work nothing else looks at memory.
      if (this.#clock.nowMs() >= this.#nextTryMs) this.#collect(this.#memory.beyondBytes());
      this.#lookIn(SLOW_WATCH_MS);
    } else {
      this.#relieve();
      this.#stop();
    }
  }
}
