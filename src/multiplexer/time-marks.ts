// When the output of one process was pushed: marks of an offset and a wall time, in the order of the offsets. A byte has
// the time of the last mark at or below it. At first every push at a new millisecond makes a mark. Beyond the limit the
// marks become sparser: two of them are then at least `#spacingMs` apart, and a byte was pushed less than that after its
// mark, or before the next mark. The marks cost at most an eighth of the output that is held, which the slack of the
// memory budget covers.

import { type Offset, offset } from "./chunk.ts";
import type { TimesState } from "./output-state.ts";

export interface TimeMark {
  readonly offset: Offset;
  /** Since the epoch, as the wall clock was set then: it can be stepped back. */
  readonly atMs: number;
  /** The bytes were pushed less than so long after `atMs`. */
  readonly withinMs: number;
}

/** Two numbers. */
const MARK_BYTES = 16;
const MIN_MARKS = 16;
const MAX_MARKS = 8192;
/** The part of the held bytes that marks may add. */
const SHARE = 1 / 8;

export class TimeMarks {
  // Two arrays of numbers, because an object for each mark would cost four times as much.
  #offsets: number[] = [];
  #times: number[] = [];
  #spacingMs = 1;
  /** Marks below `#spacingFrom` are further apart. */
  #earlierSpacingMs = 1;
  #spacingFrom: Offset = offset(0);

  get count(): number {
    return this.#offsets.length;
  }

  save(): TimesState {
    const marks = new Float64Array(2 * this.count);
    for (let at = 0; at < this.count; at++) {
      marks[2 * at] = this.#offsets[at] ?? 0;
      marks[2 * at + 1] = this.#times[at] ?? 0;
    }
    const [spacingMs, earlierSpacingMs] = [this.#spacingMs, this.#earlierSpacingMs];
    return { marks, spacingMs, earlierSpacingMs, spacingFrom: this.#spacingFrom };
  }

  /** Fills an empty one with the saved marks. */
  restore({ marks, spacingMs, earlierSpacingMs, spacingFrom }: TimesState): void {
    for (let at = 0; at < marks.length; at += 2) {
      this.#offsets.push(marks[at] ?? 0);
      this.#times.push(marks[at + 1] ?? 0);
    }
    this.#spacingMs = spacingMs;
    this.#earlierSpacingMs = earlierSpacingMs;
    this.#spacingFrom = offset(spacingFrom);
  }

  /** The output from `at` on is pushed now. `at` never goes back. Marks below `oldest` are no longer needed. */
  add(at: Offset, atMs: number, oldest: Offset, heldBytes: number): void {
    const limit = Math.min(MAX_MARKS, Math.max(MIN_MARKS, Math.floor((heldBytes * SHARE) / MARK_BYTES)));
    if (this.#spacingMs > 1) this.#forget(oldest, limit);
    const last = this.#times.at(-1);
    if (last !== undefined && Math.abs(atMs - last) < this.#spacingMs) return;
    this.#offsets.push(at);
    this.#times.push(atMs);
    if (this.count > limit) this.#shrink(oldest, limit);
  }

  /** The marks of `[from, to)`; the first one may lie before `from` and then begins there. */
  within(from: Offset, to: Offset): TimeMark[] {
    const marks: TimeMark[] = [];
    for (let at = Math.max(0, this.#lastAt(from)); at < this.count; at++) {
      const begin = this.#offsets[at] ?? 0;
      if (begin >= to) break;
      const withinMs = begin < this.#spacingFrom ? this.#earlierSpacingMs : this.#spacingMs;
      marks.push({ offset: offset(Math.max(begin, from)), atMs: this.#times[at] ?? 0, withinMs });
    }
    return marks;
  }

  /** Throws when the marks are out of order. */
  checkInvariants(): void {
    for (let at = 1; at < this.count; at++)
      if (Number(this.#offsets[at]) <= Number(this.#offsets[at - 1]))
        throw new Error(`mark ${at} is at ${this.#offsets[at]}, the one before at ${this.#offsets[at - 1]}`);
    if (this.count > MAX_MARKS) throw new Error(`${this.count} marks`);
  }

  /** Half of the limit, so that the next shrink is half of the limit away. */
  #shrink(oldest: Offset, limit: number): void {
    this.#forget(oldest, limit);
    while (this.count > limit / 2) {
      this.#spacingMs *= 2;
      this.#earlierSpacingMs = Math.max(this.#earlierSpacingMs, this.#spacingMs);
      this.#thinOut();
    }
  }

  /** Drops the marks of output that is no longer held, if that is most of them. */
  #forget(oldest: Offset, limit: number): void {
    const first = this.#lastAt(oldest);
    if (first < this.count / 2 || first < 1) return;
    this.#offsets = this.#offsets.slice(first);
    this.#times = this.#times.slice(first);
    if (this.count <= limit / 4) this.#restartSpacing();
  }

  /** Few marks are left: the next ones can be close together again. */
  #restartSpacing(): void {
    this.#earlierSpacingMs = Math.max(this.#earlierSpacingMs, this.#spacingMs);
    this.#spacingFrom = offset(Math.max(this.#spacingFrom, this.#offsets.at(-1) ?? 0));
    this.#spacingMs = 1;
  }

  #thinOut(): void {
    let kept = Number.NEGATIVE_INFINITY;
    const isKept = this.#times.map((atMs) => {
      if (Math.abs(atMs - kept) < this.#spacingMs) return false;
      kept = atMs;
      return true;
    });
    this.#offsets = this.#offsets.filter((_, at) => isKept[at]);
    this.#times = this.#times.filter((_, at) => isKept[at]);
  }

  /** The index of the last mark at or below `from`; -1 if there is none. */
  #lastAt(from: Offset): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] ?? 0) <= from) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
