// Counts the bytes that requests hold, decompressed, in the agent's one memory budget (rule 14). A request counts until
// its handler passes its content on, because from then on src/process counts it.
//
// Output may fill the whole budget. Requests must still be possible then, so they may use HEADROOM_BYTES in addition.

import { Code, ConnectError } from "@connectrpc/connect";
import type { BudgetShare, MemoryBudget } from "../multiplexer/index.ts";

/** Requests up to this size in all are accepted even if output has spent the budget. */
const HEADROOM_BYTES = 8 * 1024 * 1024;

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
  readonly #budget: Pick<MemoryBudget, "bytes" | "heldBytes">;
  readonly #share: BudgetShare;
  readonly #maxBytes: number;
  readonly #headroomBytes: number;
  #heldBytes = 0;

  /** `maxBytes`: the limit for all requests together, within the budget. */
  constructor(budget: Pick<MemoryBudget, "bytes" | "heldBytes" | "join">, maxBytes: number) {
    this.#budget = budget;
    this.#maxBytes = maxBytes;
    this.#headroomBytes = Math.min(HEADROOM_BYTES, budget.bytes / 8);
    // Requests hold nothing that could be trimmed.
    this.#share = budget.join({ trim: () => false, onSpentChange: () => undefined });
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  open(): RequestShare {
    let held = 0;
    let isClosed = false;
    const release = () => {
      this.#report(-held);
      held = 0;
    };
    return {
      reserve: (bytes) => {
        if (isClosed) throw new ConnectError("the request is over", Code.Unavailable);
        this.#reserve(bytes);
        held += bytes;
      },
      release,
      close: () => {
        isClosed = true;
        release();
      },
    };
  }

  #reserve(bytes: number): void {
    if (this.#heldBytes + bytes > this.#maxBytes)
      throw exhausted(`memory limit for requests reached (${this.#maxBytes} bytes; --request-memory)`);
    // Reported first: that trims replay to make room.
    this.#report(bytes);
    const hasRoom = this.#budget.heldBytes <= this.#budget.bytes || this.#heldBytes <= this.#headroomBytes;
    if (hasRoom) return;
    this.#report(-bytes);
    throw exhausted(`memory budget spent (${this.#budget.bytes} bytes; --memory-budget); try again`);
  }

  #report(bytes: number): void {
    if (bytes === 0) return;
    this.#heldBytes += bytes;
    this.#share.report(this.#heldBytes);
  }
}

function exhausted(message: string): ConnectError {
  return new ConnectError(message, Code.ResourceExhausted);
}
