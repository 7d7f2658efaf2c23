// All cursors of one multiplexer, in the order they came, and the place of the slowest that must be waited for. That one is
// kept up to date, so that a step of one cursor need not visit all.

import { type Offset, offset } from "./chunk.ts";
import type { Cursor } from "./cursor.ts";

export class Cursors {
  readonly #all = new Set<Cursor>();
  /** Those that are no observers. */
  #blocking = 0;
  /** The least `takenTo` of those, and how many stand there. */
  #slowest: Offset = offset(0);
  #atSlowest = 0;

  get size(): number {
    return this.#all.size;
  }

  /** How far the slowest has taken; undefined where nobody need be waited for. */
  get slowest(): Offset | undefined {
    return this.#blocking > 0 ? this.#slowest : undefined;
  }

  /** Whether somebody has accepted all there is and waits for more. An observer waits for nobody. */
  get somebodyWaits(): boolean {
    for (const cursor of this.#all) if (!cursor.skips && cursor.isIdle) return true;
    return false;
  }

  has(cursor: Cursor): boolean {
    return this.#all.has(cursor);
  }

  /** May change meanwhile: who leaves is not visited any more, who comes is. */
  [Symbol.iterator](): IterableIterator<Cursor> {
    return this.#all.values();
  }

  add(cursor: Cursor): void {
    this.#all.add(cursor);
    if (cursor.skips) return;
    if (this.#blocking++ === 0 || cursor.takenTo < this.#slowest) {
      this.#slowest = cursor.takenTo;
      this.#atSlowest = 0;
    }
    if (cursor.takenTo === this.#slowest) this.#atSlowest++;
  }

  /** False when it was not there any more. */
  delete(cursor: Cursor): boolean {
    if (!this.#all.delete(cursor)) return false;
    if (!cursor.skips) {
      this.#blocking--;
      this.#leaveSlowest(cursor.takenTo);
    }
    return true;
  }

  /** It has taken all that it has read. */
  advance(cursor: Cursor): void {
    const from = cursor.takenTo;
    cursor.takenTo = cursor.readTo;
    if (!cursor.skips) this.#leaveSlowest(from);
  }

  /** Throws if the counts are not what their comments say. For tests, after every step. */
  checkInvariants(): void {
    const places = [...this.#all].filter(({ skips }) => !skips).map(({ takenTo }) => takenTo);
    if (places.length !== this.#blocking)
      throw new Error(`${this.#blocking} blocking, ${places.length} found`);
    if (places.length === 0) return;
    const slowest = Math.min(...places);
    const count = places.filter((place) => place === slowest).length;
    if (slowest !== this.#slowest || count !== this.#atSlowest)
      throw new Error(`slowest: ${count} at ${slowest}, counted ${this.#atSlowest} at ${this.#slowest}`);
  }

  #leaveSlowest(from: Offset): void {
    if (from !== this.#slowest || --this.#atSlowest > 0) return;
    this.#slowest = offset(Number.POSITIVE_INFINITY);
    for (const { skips, takenTo } of this.#all) {
      if (skips || takenTo > this.#slowest) continue;
      this.#atSlowest = takenTo === this.#slowest ? this.#atSlowest + 1 : 1;
      this.#slowest = takenTo;
    }
  }
}
