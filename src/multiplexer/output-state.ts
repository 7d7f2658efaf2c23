// A multiplexer as plain data: one image of the agent writes it down, the next one continues from it
// (src/handover). Subscribers are not part of it: their streams are carried, or their clients reconnect.
// Fields are only added; a field keeps its name and its meaning.

import type { OutputStream } from "./chunk.ts";

/** Adjacent output as it is held. Its buffers belong to the multiplexer until the next turn of the event loop. */
export interface SavedChunk {
  readonly offset: number;
  readonly data: Buffer;
  /** Absent for a run of short pieces. */
  readonly stream?: OutputStream | undefined;
  /** Of a run: for each piece, `length * 4 + stream`; see `savedStreams`. */
  readonly pieces?: Uint32Array | undefined;
  /** The index of its mark in `OutputState.marks`. */
  readonly mark?: number | undefined;
}

/** The numbers of the streams in saved runs. They never change. */
export const savedStreams: readonly OutputStream[] = ["stdout", "stderr", "pty"];

export interface WindowState {
  readonly recentFrom: number;
  readonly head: number;
  readonly missed: readonly SavedChunk[];
  readonly replay: readonly SavedChunk[];
  readonly recent: readonly SavedChunk[];
}

export interface TimesState {
  /** For each mark its offset and its time. */
  readonly marks: Float64Array;
  readonly spacingMs: number;
  readonly earlierSpacingMs: number;
  readonly spacingFrom: number;
}

export interface OutputState<End> {
  readonly window: WindowState;
  /** The marks of the chunks, each once. */
  readonly marks: readonly object[];
  /** From, to, from, to, … */
  readonly delivered: readonly number[];
  readonly inFlight: readonly number[];
  readonly sentTo: number;
  readonly hasBegun: boolean;
  readonly wasFull: boolean;
  readonly isReleased: boolean;
  readonly mostReplay: number;
  readonly pauseCount: number;
  readonly stallCount: number;
  readonly times: TimesState;
  readonly end?: End | undefined;
}

/** Numbers the marks of chunks, so that a mark that many chunks share is saved once. */
export class MarkTable {
  readonly #indexes = new Map<object, number>();

  get marks(): readonly object[] {
    return [...this.#indexes.keys()];
  }

  indexOf(mark: object | undefined): number | undefined {
    if (mark === undefined) return undefined;
    const known = this.#indexes.get(mark);
    if (known !== undefined) return known;
    const index = this.#indexes.size;
    this.#indexes.set(mark, index);
    return index;
  }
}
