// The state of a process's terminal at any offset of the output that is held. Each held chunk
// carries the state before its first byte as its mark, also after the window has dropped or merged
// others; within a chunk the state follows from the mark and the bytes before the place. So nothing
// is read twice until a client asks, and the memory for it is bounded by the number of chunks.

import type { PtySize } from "../../linux/index.ts";
import { type Marked, type Offset, offset } from "../../multiplexer/index.ts";
import { type TerminalState, TerminalTracker } from "../../terminal/index.ts";

interface Mark {
  readonly state: TerminalState;
  readonly rows: number;
}

interface Resize {
  readonly offset: Offset;
  readonly rows: number;
}

/** As plain data; see src/handover. */
export interface TerminalHistoryState {
  readonly size: PtySize;
  readonly state: TerminalState;
  readonly resizes: readonly { readonly offset: number; readonly rows: number }[];
}

/** A window that is dragged changes its size often; a change within a held chunk matters only for its scroll region. */
const MAX_RESIZES = 64;

export class TerminalHistory {
  readonly #tracker: TerminalTracker;
  #size: PtySize;
  #mark: Mark;
  /** Ascending. */
  readonly #resizes: Resize[];

  constructor(size: PtySize, saved?: TerminalHistoryState) {
    this.#size = saved?.size ?? size;
    this.#tracker = new TerminalTracker(this.#size.rows, saved?.state);
    this.#mark = { state: this.#tracker.state, rows: this.#size.rows };
    this.#resizes = (saved?.resizes ?? []).map(({ offset: at, rows }) => ({ offset: offset(at), rows }));
  }

  /** The marks that `follow` returned are plain data also, and are saved with the output. */
  save(): TerminalHistoryState {
    return { size: this.#size, state: this.#tracker.state, resizes: [...this.#resizes] };
  }

  /** The present size. */
  get size(): PtySize {
    return this.#size;
  }

  /** Follows `data`. Returns the mark of its first byte: the same object until something changes. */
  follow(data: Buffer): object {
    const { state } = this.#tracker;
    const { rows } = this.#size;
    if (this.#mark.state !== state || this.#mark.rows !== rows) this.#mark = { state, rows };
    this.#tracker.write(data);
    return this.#mark;
  }

  /** `at` is the head of the output. */
  resize(size: PtySize, at: Offset): void {
    if (size.rows === this.#size.rows && size.cols === this.#size.cols) return;
    this.#size = size;
    this.#tracker.resize(size.rows);
    this.#resizes.push({ offset: at, rows: size.rows });
    if (this.#resizes.length > MAX_RESIZES) this.#resizes.shift();
  }

  /** The state at the place that `marked` was asked for; undefined is the head. */
  stateAt(marked: Marked | undefined): TerminalState {
    if (marked === undefined) return this.#tracker.state;
    const { offset, before } = marked;
    const { state, rows } = marked.mark as Mark;
    const tracker = new TerminalTracker(rows, state);
    let done = 0;
    for (const resize of this.#resizes) {
      const at = resize.offset - offset;
      // At or below the mark, it is part of the mark.
      if (at <= 0 || at > before.length) continue;
      tracker.write(before.subarray(done, at));
      tracker.resize(resize.rows);
      done = at;
    }
    tracker.write(before.subarray(done));
    return tracker.state;
  }
}
