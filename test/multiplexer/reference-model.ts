// What one multiplexer promises, without a window, chunks or timers: every byte ever pushed, the first that nobody took,
// how far each subscriber is, and what may be let go of. Short enough to be checked by reading it.

import {
  CHUNK_OVERHEAD_BYTES,
  KEEP_BY_REFERENCE_BYTES,
  SHORT_PIECE_BYTES,
} from "../../src/multiplexer/chunk-queue.ts";
import type { DetachedMode, OutputStream } from "../../src/multiplexer/index.ts";
import { mostHeldFor } from "../../src/multiplexer/retention.ts";

export interface Place {
  readonly start: number;
  /** An observer. */
  readonly isObserver: boolean;
  readTo: number;
  deliveredTo: number;
  /** When it last took something, said so, or had nothing to take. */
  progressedAtMs: number;
  /** Its last read was `empty`, and it was not called since. */
  sleeps: boolean;
  /** The same, but it may have read on without being called. */
  waits: boolean;
}

export interface Bounds {
  readonly windowBytes: number;
  readonly replayBytes: number;
  readonly detached: DetachedMode;
}

export class ReferenceModel {
  readonly #bounds: Bounds;
  readonly #pushes: { readonly stream: OutputStream; readonly bytes: number; readonly end: number }[] = [];
  readonly places = new Set<Place>();
  head = 0;
  delivered = 0;
  ended = false;
  /** All below may have been let go of. */
  droppableTo = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  push(stream: OutputStream, bytes: number, nowMs: number): void {
    for (const place of this.places) if (place.deliveredTo === this.head) place.progressedAtMs = nowMs;
    this.head += bytes;
    this.#pushes.push({ stream, bytes, end: this.head });
    const newest = this.#newestBytes;
    if (newest === undefined) return;
    const fits = this.mostCost(this.droppableTo) <= mostHeldFor(newest);
    this.#mayDrop(fits ? this.head - newest : this.head - 1);
    if (newest === 0) this.#mayDrop(this.head);
  }

  /** `from` is at most the head. `oldest`: what is held now. */
  fork(from: number | undefined, isObserver: boolean, oldest: number, nowMs: number): Place {
    const start = from ?? (this.ended ? Math.min(oldest, this.delivered) : this.delivered);
    const place = {
      start,
      isObserver,
      readTo: start,
      deliveredTo: start,
      progressedAtMs: nowMs,
      sleeps: false,
      waits: false,
    };
    if (!isObserver) this.delivered = Math.max(this.delivered, start);
    this.places.add(place);
    return place;
  }

  /** What a read at `place` must find. */
  due(place: Place, oldest: number): "gap" | "chunk" | "end" | "empty" {
    if (place.readTo < oldest) return "gap";
    if (place.readTo < this.head) return "chunk";
    return this.ended ? "end" : "empty";
  }

  deliver(place: Place, nowMs: number): void {
    if (place.deliveredTo === place.readTo) return;
    place.progressedAtMs = nowMs;
    place.deliveredTo = place.readTo;
    this.delivered = Math.max(this.delivered, place.deliveredTo);
  }

  get blocking(): Place[] {
    return [...this.places].filter(({ isObserver }) => !isObserver);
  }

  /** All from here on is needed: by the slowest that is waited for, or because nobody has had it. */
  get kept(): number {
    const { blocking } = this;
    return blocking.length > 0 ? Math.min(...blocking.map(({ deliveredTo }) => deliveredTo)) : this.delivered;
  }

  /** Somebody has accepted all there is and waits for more. */
  get somebodyWaits(): boolean {
    return this.blocking.some(({ waits, deliveredTo, readTo }) => waits && deliveredTo === readTo);
  }

  /** To be called after each change. `isPressed`: the budget was or is spent, so replay may be gone altogether. */
  mayDropReplay(isPressed: boolean): void {
    const { replayBytes } = this.#bounds;
    const costsTooMuch = this.mostCost(this.droppableTo) > mostHeldFor(replayBytes);
    this.#mayDrop(isPressed || costsTooMuch ? this.kept : Math.min(this.kept, this.delivered - replayBytes));
  }

  /**
   * Whether what holds `from` can still hold `to`: pieces are joined to less than 32 KiB, those of one stream, and in a run
   * short ones of all streams.
   */
  canBeJoined(from: number, to: number, mayHaveRuns: boolean): boolean {
    const begins = this.#pushes.findIndex(({ end }) => end > from);
    const ends = this.#pushes.findIndex(({ end }) => end > to);
    if (begins === ends) return true;
    const pieces = this.#pushes.slice(begins, ends + 1);
    const isOfOneStream = new Set(pieces.map(({ stream }) => stream)).size === 1;
    const mayBeRun = mayHaveRuns && pieces.every(({ bytes }) => bytes < SHORT_PIECE_BYTES);
    return (isOfOneStream || mayBeRun) && to - from < KEEP_BY_REFERENCE_BYTES;
  }

  /** What holding everything from `from` on counts, if nothing is joined. */
  mostCost(from: number): number {
    const pieces = this.#pushes.filter(({ end }) => end > from).length;
    return this.head - from + pieces * CHUNK_OVERHEAD_BYTES;
  }

  /** How much of the newest new output leaves, where nobody is waited for. */
  get #newestBytes(): number | undefined {
    const { windowBytes, replayBytes, detached } = this.#bounds;
    if (this.places.size === 0) return detached.kind === "ring" ? replayBytes : undefined;
    if (this.blocking.length > 0) return undefined;
    return Math.max(windowBytes, replayBytes, detached.kind === "buffer" ? detached.bytes : 0);
  }

  #mayDrop(to: number): void {
    this.droppableTo = Math.max(this.droppableTo, to);
  }
}

/**
 * The bytes of `stream` at `[from, from + bytes)`. A byte says which stream and which place it belongs to, so that one
 * that is lost, doubled, moved or mislabelled is seen. Shared memory: not to be written to.
 */
export function outputAt(stream: OutputStream, from: number, bytes: number): Buffer {
  const start = from % PERIOD;
  return patterns[stream].subarray(start, start + bytes);
}

const PERIOD = 83;
const LONGEST = 80 * 1024;

function pattern(nth: number): Buffer {
  return Buffer.from(Array.from({ length: LONGEST + PERIOD }, (_, at) => nth * PERIOD + (at % PERIOD)));
}

const patterns = { stdout: pattern(0), stderr: pattern(1), pty: pattern(2) };
