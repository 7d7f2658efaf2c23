// What a multiplexer and its subscribers promise each other.

import type { Chunk, Offset } from "./chunk.ts";

export interface Fork {
  /** Begin exactly here, if that is still held; absent: at the first byte delivered to nobody (rules 10 and 11). */
  readonly from?: Offset | undefined;
  /**
   * An observer: never slows the process (but when the budget is spent), and gets a gap when it falls out of the window.
   * Counts as attached, and what it took as delivered; a `from` of its own claims nothing.
   */
  readonly skips?: boolean | undefined;
  /**
   * Called once after each `empty` read, in the turn in which there is more to read. May do anything, push included, but
   * throw: who comes after would sleep on.
   */
  readonly onReadable: () => void;
  /**
   * Called when this subscriber was detached because it stalled (rule 7), with the offset it had taken. May do anything but
   * throw.
   */
  readonly onCut?: ((offset: Offset) => void) | undefined;
}

/** What a subscriber finds at its place. */
export type Read<End> =
  | { readonly kind: "chunks"; readonly chunks: readonly Chunk[] }
  /** These bytes are no longer held; reading goes on at `to`. */
  | { readonly kind: "gap"; readonly from: Offset; readonly to: Offset }
  /** For ever, once all output was read and the end slot is set. */
  | { readonly kind: "end"; readonly end: End }
  /** Nothing now: `onReadable` will be called when there is. */
  | { readonly kind: "empty" };

/** One attached stream's cursor over the output. After `detach`, or once it was cut, only `detach` may be called. */
export interface Subscriber<End> {
  /** Where this subscriber began; a gap may come first. */
  readonly start: Offset;
  /** Up to where its client has had the output; also once it is detached. */
  readonly takenTo: Offset;
  /** Reads on: at least one chunk, then as many as fit in `maxBytes`. */
  read(maxBytes: number): Read<End>;
  /** All that was read so far is delivered: it need not be held for this subscriber or for who comes next. */
  taken(): void;
  /** The connection takes what was read, if slowly: this subscriber is not stalled. */
  progress(): void;
  /** Leaves. What was read but not taken counts as delivered to nobody, unless somebody else took it. */
  detach(): void;
}
