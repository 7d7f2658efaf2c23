// Counts the bytes that requests hold, decompressed, in the agent's one memory budget (rule 14). A request counts until
// its handler passes its content on, because from then on src/process counts it.
//
// Output may fill the whole budget. Requests must still be possible then, so they may use HEADROOM_BYTES in addition.

import { Code, ConnectError } from "@connectrpc/connect";
import type { BudgetShare, MemoryBudget, Reservation } from "../multiplexer/index.ts";
import { collectAll, noteReceived, noteReleased } from "./garbage.ts";

/** A binary message leaves little garbage: its pieces are buffers, which V8 counts itself. Only large ones count, for a quarter. */
const BINARY_COPIES = 2;
const LARGE_BYTES = 1024 * 1024;

/** When output of this size was dropped, its memory is collected before requests take its place. */
const DROPPED_BYTES = 8 * 1024 * 1024;

/** Requests up to this size in all are accepted even if output has spent the budget. */
const HEADROOM_BYTES = 8 * 1024 * 1024;

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
  /** The first bytes up to the headroom, which are held whatever the budget's state. */
  readonly #headroom: BudgetShare;
  readonly #headroomBytes: number;
  /** The bytes beyond the headroom. */
  #reservation: Reservation | undefined;
  readonly #maxBytes: number;
  #heldBytes = 0;
  /** With their copies; this is what counts in the budget. */
  #budgetBytes = 0;
  /** The most that others held in the budget since the last collection. */
  #othersBytes = 0;

  /** `maxBytes`: the limit for all requests together, within the budget. */
  constructor(budget: RequestBudget, maxBytes: number) {
    this.#budget = budget;
    this.#maxBytes = maxBytes;
    this.#headroomBytes = Math.min(HEADROOM_BYTES, budget.bytes / 8);
    this.#headroom = budget.join({});
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  open(): RequestShare {
    let held = 0;
    let inBudget = 0;
    let isClosed = false;
    const release = () => {
      this.#heldBytes -= held;
      this.#hold(this.#budgetBytes - inBudget);
      noteReleased(Math.max(inBudget - BINARY_COPIES * held, held < LARGE_BYTES ? 0 : held / 4));
      held = 0;
      inBudget = 0;
    };
    return {
      reserve: (bytes, copies = 1) => {
        if (isClosed) throw new ConnectError("the request is over", Code.Canceled);
        if (this.#heldBytes + bytes > this.#maxBytes)
          throw exhausted(`memory limit for requests reached (${this.#maxBytes} bytes; --request-memory)`);
        if (!this.#hold(this.#budgetBytes + bytes * copies))
          throw exhausted(`memory budget spent (${this.#budget.bytes} bytes; --memory-budget); try again`);
        noteReceived(bytes, this.#budget.bytes);
        this.#collectDropped();
        this.#heldBytes += bytes;
        held += bytes;
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
    const othersBytes = this.#budget.heldBytes - this.#budgetBytes;
    if (othersBytes > this.#othersBytes) this.#othersBytes = othersBytes;
    else if (othersBytes + DROPPED_BYTES < this.#othersBytes) {
      this.#othersBytes = othersBytes;
      collectAll();
    }
  }

  /** Holds `bytes` in all in the budget. Returns false, and changes nothing, if there is no room for them. */
  #hold(bytes: number): boolean {
    if (!this.#reserve(Math.max(0, bytes - this.#headroomBytes))) return false;
    this.#budgetBytes = bytes;
    this.#headroom.report(Math.min(bytes, this.#headroomBytes));
    return true;
  }

  #reserve(bytes: number): boolean {
    if (bytes === 0) {
      this.#reservation?.release();
      this.#reservation = undefined;
      return true;
    }
    if (this.#reservation !== undefined) return this.#reservation.resize(bytes);
    this.#reservation = this.#budget.reserve(bytes);
    return this.#reservation !== undefined;
  }
}

function exhausted(message: string): ConnectError {
  return new ConnectError(message, Code.ResourceExhausted);
}
