// The contract between a multiplexer and its subscribers.

import type { Chunk, Offset } from "./chunk.ts";

export interface Fork {
  /**
   * Begin exactly here: the client has received everything below that was sent. Absent: begin at the
   * first byte that is not delivered (rule 6).
   */
  readonly from?: Offset | undefined;
  /**
   * Only for a stream that another image of the agent began: the output from `from` to here is on its way to the
   * client already. Such a fork says nothing about the output below `from`.
   */
  readonly readTo?: Offset | undefined;
  /**
   * An observer has no influence on the process or on other clients (rule 13): it delivers nothing and
   * slows nothing, and gets a gap when it falls behind the window.
   */
  readonly isObserver?: boolean | undefined;
  /**
   * Called once after each `empty` read, in the turn in which there is more to read. It may do
   * anything, push included, but must not throw: the subscribers after it would not be woken.
   */
  readonly onReadable: () => void;
  /**
   * Called when this subscriber was disconnected because it stalled (rule 11), with its offset. It may
   * do anything but throw.
   */
  readonly onCut?: ((offset: Offset) => void) | undefined;
}

/** The result of a read at the subscriber's position. */
export type ReadResult<End> =
  | { readonly kind: "chunk"; readonly chunk: Chunk }
  /** These bytes are no longer held; the next read continues at `to`. */
  | { readonly kind: "gap"; readonly from: Offset; readonly to: Offset }
  /** Every read returns this once all output was read and the end slot is set. */
  | { readonly kind: "end"; readonly end: End }
  /** Nothing now: `onReadable` will be called when there is more. */
  | { readonly kind: "empty" };

/** One attached stream. After `detach`, or once it was disconnected, only `detach` may be called. */
export interface Subscriber<End> {
  /** Where this subscriber began; a gap may come first. */
  readonly start: Offset;
  /** The client has received the output up to here. Also valid after `detach`. */
  readonly deliveredTo: Offset;
  /** It has read up to here. */
  readonly readTo: Offset;
  /** Reads the next chunk, or the rest of it, or its next `mostBytes`: at least 1. */
  read(mostBytes?: number): ReadResult<End>;
  /** The connection has accepted everything that was read so far. */
  delivered(): void;
  /** The connection accepts the chunk, but slowly: this subscriber is not stalled. */
  progress(): void;
  /**
   * Leaves. Output that it read and did not report as delivered stays undelivered, until another client
   * receives it or resumes above it.
   */
  detach(): void;
}
