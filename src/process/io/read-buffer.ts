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

/**
 * So many readers have their own buffers at a time, 4 MiB together: a buffer to read into is not output, so the memory budget
 * does not count it. The others read into the shared buffer, and each of their reads is copied.
 */
const MOST_OWN = 64;
let ownCount = 0;

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
      this.#share();
      return filled;
    }
    const own = this.#current === shared ? takeCopy(filled) : filled;
    if (this.#current === shared && ownCount === MOST_OWN) return own;
    if (this.#current === shared) ownCount++;
    this.#current = takeBuffer(READ_BUFFER_BYTES);
    return own;
  }

  /** To be called when its reader needs no more output. A stream may still read into the buffer that it has. */
  close(): void {
    this.#share();
  }

  #share(): void {
    if (this.#current !== shared) ownCount--;
    this.#current = shared;
  }
}
