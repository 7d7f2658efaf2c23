// The memory of transfers, within the agent's one budget (rule 14). A transfer gets two buffers, smaller ones when the
// budget is short. A few small transfers are possible even if output has spent it.

import { HoldfastError } from "../../errors.ts";
import type { MemoryBudget } from "../../multiplexer/index.ts";

/** Of one of the two buffers, the preferred size first. */
const BUFFER_SIZES = [256 * 1024, 64 * 1024, 16 * 1024];
/** Held even if the budget is spent. */
const HEADROOM_BYTES = 4 * 1024 * 1024;
/** Free buffers of the largest size that are kept for the next transfer. */
const MAX_FREE = 8;

export interface TransferShare {
  /** The size of one buffer. */
  readonly bufferBytes: number;
  /** Allocated at the first use: the first of the two is all that a download by sendfile needs. */
  buffer(): Buffer;
  buffers(): readonly [Buffer, Buffer];
  /** A second call does nothing. The buffers may be used by another transfer afterwards. */
  release(): void;
}

export class TransferMemory {
  readonly #budget: Pick<MemoryBudget, "bytes" | "join" | "reserve">;
  readonly #headroom: { report(bytes: number): void };
  readonly #headroomBytes: number;
  #usedHeadroomBytes = 0;
  readonly #free: Buffer[] = [];
  #transfers = 0;

  constructor(budget: Pick<MemoryBudget, "bytes" | "join" | "reserve">) {
    this.#budget = budget;
    this.#headroom = budget.join({});
    this.#headroomBytes = Math.min(HEADROOM_BYTES, budget.bytes / 8);
  }

  get transfers(): number {
    return this.#transfers;
  }

  /**
   * For a transfer of `bytes`; undefined if that is not known. Throws `resource_exhausted` if there is no memory for the
   * smallest buffers.
   */
  open(bytes?: number): TransferShare {
    for (const size of BUFFER_SIZES) {
      const bufferBytes = Math.min(size, Math.max(bytes ?? size, 1));
      const release = this.#hold(2 * bufferBytes);
      if (release !== undefined) return this.#share(bufferBytes, release);
    }
    throw new HoldfastError(
      "resource_exhausted",
      `memory budget spent (${this.#budget.bytes} bytes; --memory-budget); try again`,
    );
  }

  #share(bufferBytes: number, release: () => void): TransferShare {
    let first: Buffer | undefined;
    let second: Buffer | undefined;
    const buffer = () => {
      first ??= this.#take(bufferBytes);
      return first;
    };
    let isReleased = false;
    this.#transfers++;
    return {
      bufferBytes,
      buffer,
      buffers: () => {
        const one = buffer();
        second ??= this.#take(bufferBytes);
        return [one, second];
      },
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#transfers--;
        for (const free of [first, second])
          if (free !== undefined && free.length === BUFFER_SIZES[0] && this.#free.length < MAX_FREE)
            this.#free.push(free);
        release();
      },
    };
  }

  #take(bytes: number): Buffer {
    return (bytes === BUFFER_SIZES[0] ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(bytes);
  }

  /** Returns the function that gives the bytes back; undefined if there is no room. */
  #hold(bytes: number): (() => void) | undefined {
    const reservation = this.#budget.reserve(bytes);
    if (reservation !== undefined) return () => reservation.release();
    if (this.#usedHeadroomBytes + bytes > this.#headroomBytes) return undefined;
    const report = (more: number) => {
      this.#usedHeadroomBytes += more;
      this.#headroom.report(this.#usedHeadroomBytes);
    };
    report(bytes);
    return () => report(-bytes);
  }
}
