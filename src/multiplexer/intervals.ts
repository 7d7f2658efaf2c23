// A set of bytes as disjoint, ascending intervals [from, to) of offsets. Usually there is one.

import { type Offset, offset } from "./chunk.ts";

/** Only a client that skips output again and again makes more; then the lowest is forgotten. */
const MOST_INTERVALS = 1024;

export class Intervals {
  /** from, to, from, to, ... ascending; no two intervals touch. */
  #bounds: number[];

  constructor(bounds: readonly number[] = []) {
    this.#bounds = [...bounds];
  }

  /** From, to, from, to, … ascending. A copy. */
  get bounds(): number[] {
    return [...this.#bounds];
  }

  /** The end of the highest interval; 0 when the set is empty. */
  get high(): Offset {
    return offset(this.#bounds.at(-1) ?? 0);
  }

  /** Adds `[from, to)`; does nothing if it is empty. */
  add(from: number, to: number): void {
    if (to <= from) return;
    const bounds = this.#bounds;
    const last = bounds.length - 1;
    // The usual case: the highest interval grows.
    if (last > 0 && from <= (bounds[last] ?? 0) && from >= (bounds[last - 1] ?? 0)) {
      if (to > (bounds[last] ?? 0)) bounds[last] = to;
      return;
    }
    // Before: intervals that end below `from`. After: intervals that begin above `to`.
    let before = 0;
    while (before < bounds.length && (bounds[before + 1] ?? 0) < from) before += 2;
    let after = before;
    while (after < bounds.length && (bounds[after] ?? 0) <= to) after += 2;
    const isMerging = after > before;
    const low = isMerging ? Math.min(from, bounds[before] ?? 0) : from;
    const high = isMerging ? Math.max(to, bounds[after - 1] ?? 0) : to;
    bounds.splice(before, after - before, low, high);
    if (bounds.length > 2 * MOST_INTERVALS) bounds.splice(0, 2);
  }

  /** Adds what `other` contains below `to`. */
  addBelow(to: number, other: Intervals): void {
    for (let index = 0; index < other.#bounds.length; index += 2) {
      const from = other.#bounds[index] ?? 0;
      if (from >= to) return;
      this.add(from, Math.min(to, other.#bounds[index + 1] ?? 0));
    }
  }

  /** Removes everything below `to`. */
  removeBelow(to: number): void {
    const bounds = this.#bounds;
    let gone = 0;
    while (gone < bounds.length && (bounds[gone + 1] ?? 0) <= to) gone += 2;
    if (gone > 0) bounds.splice(0, gone);
    if (bounds.length > 0 && (bounds[0] ?? 0) < to) bounds[0] = to;
  }

  /** Whether every byte of `[from, to)` is in the set. */
  covers(from: number, to: number): boolean {
    if (to <= from) return true;
    return this.firstOutside(from) >= to;
  }

  /** The first byte at or above `from` that is not in the set. */
  firstOutside(from: number): Offset {
    const bounds = this.#bounds;
    // From the end: most questions are about new output.
    for (let index = bounds.length - 2; index >= 0; index -= 2) {
      const low = bounds[index] ?? 0;
      if (low > from) continue;
      return offset(Math.max(from, bounds[index + 1] ?? 0));
    }
    return offset(from);
  }

  /** How many bytes of `[from, to)` are not in the set. */
  outsideBytes(from: number, to: number): number {
    const bounds = this.#bounds;
    let bytes = Math.max(0, to - from);
    for (let index = bounds.length - 2; index >= 0; index -= 2) {
      const high = Math.min(to, bounds[index + 1] ?? 0);
      if (high <= from) break;
      const low = Math.max(from, bounds[index] ?? 0);
      if (high > low) bytes -= high - low;
    }
    return bytes;
  }

  /** Throws when the intervals touch or are out of order. For tests. */
  checkInvariants(): void {
    const { length } = this.#bounds;
    if (length % 2 !== 0) throw new Error(`${length} bounds`);
    for (let index = 1; index < length; index++)
      if ((this.#bounds[index] ?? 0) <= (this.#bounds[index - 1] ?? 0))
        throw new Error(`bounds out of order: ${this.#bounds.join(", ")}`);
  }

  toString(): string {
    const pairs: string[] = [];
    for (let index = 0; index < this.#bounds.length; index += 2)
      pairs.push(`[${this.#bounds[index]}, ${this.#bounds[index + 1]})`);
    return pairs.join(" ") || "nothing";
  }
}
