// The buffers that output is read into. Idle readers share one, so that 1,000 of them use 64 KiB
// instead of 64 MB. A reader with much output gets its own buffers, which the output window keeps
// without a copy.

import { giveBack, KEEP_BY_REFERENCE_BYTES, takeBuffer, takeCopy } from "../../multiplexer/index.ts";

/**
 * A pipe holds 64 KiB by default, so one read can empty it. Larger pipes and buffers were not
 * faster.
 */
const READ_BUFFER_BYTES = 64 * 1024;

/** Safe to share: the reader copies its bytes before anything else can run. */
const shared = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

export class ReadBuffer {
  #current: Buffer = shared;

  /** The buffer to read into next. */
  get current(): Buffer {
    return this.#current;
  }

  /**
   * The first `bytes` of `current`, after a read filled them, for the output window. A buffer that
   * the window keeps by reference is not read into again until the window returns it. The window
   * must copy smaller pieces at once.
   */
  take(bytes: number): Buffer {
    const filled = this.#current.subarray(0, bytes);
    if (bytes < KEEP_BY_REFERENCE_BYTES) {
      giveBack(this.#current);
      this.#current = shared;
      return filled;
    }
    const own = this.#current === shared ? takeCopy(filled) : filled;
    this.#current = takeBuffer(READ_BUFFER_BYTES);
    return own;
  }
}
