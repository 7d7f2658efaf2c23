// The cursors of one multiplexer's subscribers, in the order they attached, and the position of the
// slowest blocking one. That position is kept up to date, so that a step of one cursor need not visit
// all of them.

import { type Offset, offset } from "./chunk.ts";
import type { Fork } from "./subscriber.ts";

/** One subscriber's position in the output. */
export class Cursor {
  readonly isObserver: boolean;
  readonly onReadable: () => void;
  readonly onCut: ((offset: Offset) => void) | undefined;
  /** Where it began. */
  readonly start: Offset;
  /** The bytes from `start` to here are delivered to this subscriber; from here to `readTo` they are in flight. */
  deliveredTo: Offset;
  /** When this lies below the oldest byte held, the next read returns a gap. */
  readTo: Offset;
  /** Its last read returned `empty`, and `onReadable` was not called since. */
  isWaiting = false;
  /** When its connection last accepted something, or when there was nothing to accept. */
  progressedAtMs: number;

  constructor(start: Offset, fork: Fork, nowMs: number) {
    this.isObserver = fork.isObserver ?? false;
    this.onReadable = fork.onReadable;
    this.onCut = fork.onCut;
    this.start = start;
    this.deliveredTo = start;
    this.readTo = fork.readTo ?? start;
    this.progressedAtMs = nowMs;
  }

  /** It waits for output, and its connection has accepted everything before. */
  get isIdle(): boolean {
    return this.isWaiting && this.deliveredTo === this.readTo;
  }
}

export class Cursors {
  readonly #all = new Set<Cursor>();
  #blockingCount = 0;
  /** The lowest `deliveredTo` of the blocking cursors, and how many stand there. */
  #slowest: Offset = offset(0);
  #atSlowest = 0;

  get size(): number {
    return this.#all.size;
  }

  /** Cursors that are not observers. */
  get blockingCount(): number {
    return this.#blockingCount;
  }

  /** The lowest `deliveredTo` of the blocking cursors; undefined when there are none. */
  get slowest(): Offset | undefined {
    return this.#blockingCount > 0 ? this.#slowest : undefined;
  }

  /** Whether a blocking cursor has received everything and waits for more. */
  get hasIdle(): boolean {
    for (const cursor of this.#all) if (!cursor.isObserver && cursor.isIdle) return true;
    return false;
  }

  has(cursor: Cursor): boolean {
    return this.#all.has(cursor);
  }

  /** The set may change during the iteration: cursors that leave are not visited, cursors that come are. */
  [Symbol.iterator](): IterableIterator<Cursor> {
    return this.#all.values();
  }

  add(cursor: Cursor): void {
    this.#all.add(cursor);
    if (cursor.isObserver) return;
    if (this.#blockingCount++ === 0 || cursor.deliveredTo < this.#slowest) {
      this.#slowest = cursor.deliveredTo;
      this.#atSlowest = 0;
    }
    if (cursor.deliveredTo === this.#slowest) this.#atSlowest++;
  }

  /** Returns false when it had left already. */
  delete(cursor: Cursor): boolean {
    if (!this.#all.delete(cursor)) return false;
    if (!cursor.isObserver) {
      this.#blockingCount--;
      this.#leaveSlowest(cursor.deliveredTo);
    }
    return true;
  }

  /** Everything that the cursor has read is delivered. */
  advance(cursor: Cursor): void {
    const from = cursor.deliveredTo;
    cursor.deliveredTo = cursor.readTo;
    if (!cursor.isObserver) this.#leaveSlowest(from);
  }

  /** Throws when the counts are wrong. Tests call it after every step. */
  checkInvariants(): void {
    const places = [...this.#all]
      .filter(({ isObserver }) => !isObserver)
      .map(({ deliveredTo }) => deliveredTo);
    if (places.length !== this.#blockingCount)
      throw new Error(`${this.#blockingCount} blocking cursors counted, ${places.length} found`);
    if (places.length === 0) return;
    const slowest = Math.min(...places);
    const count = places.filter((place) => place === slowest).length;
    if (slowest !== this.#slowest || count !== this.#atSlowest)
      throw new Error(`slowest: ${count} at ${slowest}, counted ${this.#atSlowest} at ${this.#slowest}`);
  }

  #leaveSlowest(from: Offset): void {
    if (from !== this.#slowest || --this.#atSlowest > 0) return;
    this.#slowest = offset(Number.POSITIVE_INFINITY);
    for (const { isObserver, deliveredTo } of this.#all) {
      if (isObserver || deliveredTo > this.#slowest) continue;
      this.#atSlowest = deliveredTo === this.#slowest ? this.#atSlowest + 1 : 1;
      this.#slowest = deliveredTo;
    }
  }
}
