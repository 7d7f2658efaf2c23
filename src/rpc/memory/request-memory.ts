// Counts the bytes that requests hold, decompressed, in the agent's one memory budget (rule 14). A request counts until
// its handler passes its content on, because from then on src/process counts it.
//
// Output may fill the whole budget. Requests must still be possible then, so they may use HEADROOM_BYTES in addition.

import { Code, ConnectError } from "@connectrpc/connect";
import type { MemoryBudget } from "../../multiplexer/index.ts";
import { collectAll, noteReleased } from "./garbage.ts";
import { Headroom } from "./headroom.ts";
import { noteGarbage } from "./resident-memory.ts";

/** A binary message leaves little garbage: its pieces are buffers, which V8 counts itself. Only large ones count, for a quarter. */
const BINARY_COPIES = 2;
const LARGE_BYTES = 1024 * 1024;

/** When output of this size was dropped, its memory is collected before requests take its place. */
const DROPPED_BYTES = 8 * 1024 * 1024;

/** Requests up to this size in all are accepted even if output has spent the budget. */
const HEADROOM_BYTES = 8 * 1024 * 1024;

/**
 * With its copies. Smaller requests do not count in the budget, because RequestLimit counts them
 * with each request.
 */
const INCLUDED_BYTES = 4 * 1024;

/** Smaller requests do not count towards the limit for all requests either, so that a signal never meets it. */
const UNLIMITED_BYTES = 512;

type RequestBudget = Pick<MemoryBudget, "bytes" | "heldBytes" | "join" | "reserve">;

/** One request. */
export interface RequestShare {
  /**
   * To be called before the bytes are stored. Throws `resource_exhausted` if there is no room for them. `copies`: how often
   * the bytes are in memory until the handler has them.
   */
  reserve(bytes: number, copies?: number): void;
  /** The bytes so far are no longer held for the request. More may be reserved. */
  release(): void;
  /** Releases everything; later calls of `reserve` throw. */
  close(): void;
}

export class RequestMemory {
  readonly #budget: RequestBudget;
  readonly #headroom: Headroom;
  readonly #maxBytes: number;
  #heldBytes = 0;
  /** The most that others held in the budget since the last collection. */
  #othersBytes = 0;

  /** `maxBytes`: the limit for all requests together, within the budget. */
  constructor(budget: RequestBudget, maxBytes: number) {
    this.#budget = budget;
    this.#maxBytes = maxBytes;
    this.#headroom = new Headroom(budget, Math.min(HEADROOM_BYTES, budget.bytes / 8));
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  open(): RequestShare {
    let held = 0;
    /** With the copies; this is what counts in the budget. */
    let inBudget = 0;
    let includedBytes = INCLUDED_BYTES;
    let smallBytes = UNLIMITED_BYTES;
    let isClosed = false;
    const release = () => {
      this.#heldBytes -= held;
      this.#headroom.add(-inBudget);
      includedBytes = INCLUDED_BYTES;
      smallBytes = UNLIMITED_BYTES;
      noteReleased(Math.max(inBudget - BINARY_COPIES * held, held < LARGE_BYTES ? 0 : held / 4));
      if (held > 0) noteGarbage(Math.max(0, inBudget - held));
      held = 0;
      inBudget = 0;
    };
    return {
      reserve: (bytes, copies = 1) => {
        if (isClosed) throw new ConnectError("the request is over", Code.Canceled);
        if (inBudget === 0 && held === 0 && bytes <= smallBytes) {
          smallBytes -= bytes;
          includedBytes -= bytes * copies;
          return;
        }
        if (this.#heldBytes + bytes > this.#maxBytes)
          throw exhausted(`memory limit for requests reached (${this.#maxBytes} bytes; --request-memory)`);
        const isIncluded = inBudget === 0 && bytes * copies <= includedBytes;
        if (isIncluded) includedBytes -= bytes * copies;
        else if (!this.#headroom.add(bytes * copies))
          throw exhausted(`memory budget spent (${this.#budget.bytes} bytes; --memory-budget); try again`);
        this.#heldBytes += bytes;
        held += bytes;
        if (isIncluded) return;
        noteGarbage(bytes);
        this.#collectDropped();
        inBudget += bytes * copies;
      },
      release,
      close: () => {
        isClosed = true;
        release();
      },
    };
  }

  #collectDropped(): void {
    const othersBytes = this.#budget.heldBytes - this.#headroom.heldBytes;
    if (othersBytes > this.#othersBytes) this.#othersBytes = othersBytes;
    else if (othersBytes + DROPPED_BYTES < this.#othersBytes) {
      this.#othersBytes = othersBytes;
      collectAll();
    }
  }
}

/** With a time to try again: other requests give their memory back soon. */
function exhausted(message: string): ConnectError {
  return new ConnectError(message, Code.ResourceExhausted, { "Retry-After": "1" });
}
