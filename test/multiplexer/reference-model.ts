// The promises of one multiplexer (rules 5 to 8 and 13), without a window, chunks or timers: which
// bytes are delivered, which were in flight to a client that left, which may have been dropped, and
// how far each client is. Short enough to be checked by reading it.

import {
  CHUNK_OVERHEAD_BYTES,
  KEEP_BY_REFERENCE_BYTES,
  SHORT_PIECE_BYTES,
} from "../../src/multiplexer/chunk-queue.ts";
import type { DetachedMode, OutputStream } from "../../src/multiplexer/index.ts";
import { mostHeldFor, mostMissed } from "../../src/multiplexer/retention.ts";
import { ByteRanges } from "./byte-ranges.ts";

export interface Place {
  readonly start: number;
  readonly isObserver: boolean;
  readTo: number;
  deliveredTo: number;
  /** When its connection last accepted something, reported progress, or had nothing to accept. */
  progressedAtMs: number;
  /** Its last read returned `empty`, and it was not woken since. */
  sleeps: boolean;
  /** The same, but it may have read since without being woken. */
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
  ended = false;
  isReleased = false;
  /** Accepted by a blocking client's connection, or proved by a client that resumed above. */
  readonly delivered = new ByteRanges();
  /** Sent to a blocking client that left before its connection accepted it. */
  readonly inFlight = new ByteRanges();
  /** Bytes that rule 7 allows to be dropped, now or at any time before. */
  readonly droppable = new ByteRanges();
  /** The first byte that the real one holds. */
  oldest = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  push(stream: OutputStream, bytes: number, nowMs: number): void {
    for (const place of this.places) if (place.deliveredTo === this.head) place.progressedAtMs = nowMs;
    this.head += bytes;
    this.#pushes.push({ stream, bytes, end: this.head });
    const { replayBytes, windowBytes, detached } = this.#bounds;
    if (this.isDetached && detached.kind === "ring") {
      this.droppable.add(0, this.head - replayBytes);
      if (this.mostCost(this.oldest) > mostHeldFor(replayBytes)) this.droppable.add(0, this.head - 1);
    }
    this.#mayDropReplay(this.delivered.high);
    // Missed output: not delivered and below every attached client.
    const below = this.slowest ?? this.head;
    const missed = this.mostCost(this.oldest) - this.mostCost(below);
    if (missed > mostMissed(detached, windowBytes, replayBytes)) this.droppable.add(0, below);
  }

  /** `from` is at most the head. */
  fork(from: number | undefined, isObserver: boolean, nowMs: number): Place {
    const start = from ?? this.attachOffset;
    const place = {
      start,
      isObserver,
      readTo: start,
      deliveredTo: start,
      progressedAtMs: nowMs,
      sleeps: false,
      waits: false,
    };
    if (from !== undefined && !isObserver) {
      this.delivered.addBelow(this.inFlight, from);
      for (const { deliveredTo, readTo } of this.blocking)
        this.delivered.add(deliveredTo, Math.min(from, readTo));
    }
    this.places.add(place);
    return place;
  }

  /** Rule 6, and after the end all that is held. */
  get attachOffset(): number {
    const undelivered = this.delivered.firstOutside(0);
    return this.ended ? Math.min(this.oldest, undelivered) : undelivered;
  }

  deliver(place: Place, nowMs: number): void {
    if (place.deliveredTo === place.readTo) return;
    place.progressedAtMs = nowMs;
    if (!place.isObserver) this.delivered.add(place.deliveredTo, place.readTo);
    place.deliveredTo = place.readTo;
    this.#hasLeft(place);
  }

  /** All leave in the same moment. */
  detach(...leaving: Place[]): void {
    for (const place of leaving) {
      this.places.delete(place);
      if (!place.isObserver) this.inFlight.add(place.deliveredTo, place.readTo);
    }
    for (const place of leaving) this.#hasLeft(place);
  }

  release(): void {
    this.isReleased = true;
    this.#mayDropUnread();
  }

  /** The budget was or is spent, or a reservation asked for room. */
  press(): void {
    this.droppable.addBelow(this.delivered, this.#mostNeeded);
    if (this.ended) this.droppable.add(0, this.slowest ?? this.head);
  }

  get blocking(): Place[] {
    return [...this.places].filter(({ isObserver }) => !isObserver);
  }

  get isDetached(): boolean {
    return this.slowest === undefined;
  }

  /** Without an array: the sequences ask a hundred million times. */
  get slowest(): number | undefined {
    let slowest: number | undefined;
    for (const { isObserver, deliveredTo } of this.places)
      if (!isObserver && (slowest === undefined || deliveredTo < slowest)) slowest = deliveredTo;
    return slowest;
  }

  /** The output that the attached clients, or detached, the next client, need begins here. */
  get needed(): number {
    return this.slowest ?? this.delivered.firstOutside(this.oldest);
  }

  /** A blocking client has received everything and waits for more. */
  get somebodyWaits(): boolean {
    return this.blocking.some(({ waits, deliveredTo, readTo }) => waits && deliveredTo === readTo);
  }

  /** At most so many bytes from `from` on are held, and at least so many. */
  heldFrom(from: number): { readonly least: number; readonly most: number } {
    const most = this.head - Math.max(from, this.oldest);
    return { least: most - this.droppable.bytesIn(Math.max(from, this.oldest), this.head), most };
  }

  /** At most so many bytes are held and not delivered, and at least so many. */
  get undelivered(): { readonly least: number; readonly most: number } {
    const most = this.head - this.oldest - this.delivered.bytesIn(this.oldest, this.head);
    return { least: Math.max(0, most - this.droppable.bytesIn(this.oldest, this.head)), most };
  }

  /** The most that holding everything from `from` on costs: nothing is merged. */
  mostCost(from: number): number {
    let pieces = 0;
    for (let index = this.#pushes.length - 1; index >= 0 && (this.#pushes[index]?.end ?? 0) > from; index--)
      pieces++;
    return this.head - from + pieces * CHUNK_OVERHEAD_BYTES;
  }

  /**
   * Whether one chunk can hold both `from` and `to`: pieces of one stream are merged to less than 32 KiB,
   * and in a run short pieces of all streams.
   */
  canBeMerged(from: number, to: number): boolean {
    const begins = this.#pushes.findIndex(({ end }) => end > from);
    const ends = this.#pushes.findIndex(({ end }) => end > to);
    if (begins === ends) return true;
    const pieces = this.#pushes.slice(begins, ends + 1);
    const isOfOneStream = new Set(pieces.map(({ stream }) => stream)).size === 1;
    const mayBeRun = pieces.every(({ bytes }) => bytes < SHORT_PIECE_BYTES);
    return (isOfOneStream || mayBeRun) && to - from < KEEP_BY_REFERENCE_BYTES;
  }

  /** As `needed`, if all that may be dropped is dropped. */
  get #mostNeeded(): number {
    if (this.slowest !== undefined) return this.slowest;
    let at = this.oldest;
    for (let next = -1; next !== at; ) {
      next = this.delivered.firstOutside(at);
      at = this.droppable.firstOutside(next);
    }
    return at;
  }

  /** `place` has received what it read, or it left. */
  #hasLeft(place: Place): void {
    if (this.isReleased) this.#mayDropUnread();
    if (!place.isObserver) this.#mayDropReplay(place.deliveredTo);
  }

  #mayDropUnread(): void {
    this.droppable.add(0, Math.min(this.head, ...[...this.places].map(({ deliveredTo }) => deliveredTo)));
  }

  /** Delivered bytes that no client needs and that lie more than the replay below `delivered`. */
  #mayDropReplay(delivered: number): void {
    const { replayBytes } = this.#bounds;
    const needed = this.#mostNeeded;
    this.droppable.addBelow(this.delivered, Math.min(needed, delivered - replayBytes));
    const replay = this.mostCost(this.oldest) - this.mostCost(needed);
    if (replay > mostHeldFor(replayBytes)) this.droppable.addBelow(this.delivered, needed);
  }
}

/**
 * The bytes of `stream` at `[from, from + bytes)`. Each byte shows its stream and its offset, so that a
 * byte that is lost, repeated, moved or in the wrong stream is detected. Shared memory: do not write to it.
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
