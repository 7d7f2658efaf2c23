// Returns the buffers of dropped chunks to the pool, except those that may still be in flight to a
// socket. A memory optimisation only: without it, delivery works the same and the garbage collector
// frees the buffers.

import { giveBack } from "./buffer-pool.ts";
import { type Chunk, type Offset, offset } from "./chunk.ts";

export class BufferReturn {
  /** Chunks below may be in flight to a client that the multiplexer does not wait for. */
  #inFlightTo: Offset = offset(0);

  /**
   * An observer, or a subscriber that detached, may still be writing what lies below `to`. Its
   * connection does not report when it is done, so the buffers below `to` are never reused.
   */
  markInFlight(to: Offset): void {
    if (to > this.#inFlightTo) this.#inFlightTo = to;
  }

  /** The window holds `chunk` no longer, and every blocking subscriber has been delivered it. */
  drop(chunk: Chunk): void {
    if (chunk.offset >= this.#inFlightTo) giveBack(chunk.data);
  }
}
