// Counts the bytes that requests hold, decompressed, in the agent's one memory budget (rule 14). A request counts until
// its handler passes its content on, because from then on src/process counts it.
//
// Output may fill the whole budget. Requests must still be possible then, so they may use HEADROOM_BYTES in addition.

import { Code, ConnectError } from "@connectrpc/connect";
import type { BudgetShare, MemoryBudget, Reservation } from "../multiplexer/index.ts";

/** Requests up to this size in all are accepted even if output has spent the budget. */
const HEADROOM_BYTES = 8 * 1024 * 1024;

type RequestBudget = Pick<MemoryBudget, "bytes" | "join" | "reserve">;

/** One request. */
export interface RequestShare {
  /** To be called before the bytes are stored. Throws `resource_exhausted` if there is no room for them. */
  reserve(bytes: number): void;
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
    let isClosed = false;
    const release = () => {
      this.#hold(this.#heldBytes - held);
      held = 0;
    };
    return {
      reserve: (bytes) => {
        if (isClosed) throw new ConnectError("the request is over", Code.Canceled);
        if (this.#heldBytes + bytes > this.#maxBytes)
          throw exhausted(`memory limit for requests reached (${this.#maxBytes} bytes; --request-memory)`);
        if (!this.#hold(this.#heldBytes + bytes))
          throw exhausted(`memory budget spent (${this.#budget.bytes} bytes; --memory-budget); try again`);
        held += bytes;
      },
      release,
      close: () => {
        isClosed = true;
        release();
      },
    };
  }

  /** Holds `bytes` in all. Returns false, and changes nothing, if there is no room for them. */
  #hold(bytes: number): boolean {
    if (!this.#reserve(Math.max(0, bytes - this.#headroomBytes))) return false;
    this.#heldBytes = bytes;
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
