// The buffers that output is read into. Idle readers share one, so 1,000 of them use 64 KiB instead of
// 64 MB. A reader with much output gets its own buffer, if fewer than 64 readers have one; the output
// window keeps that buffer without a copy.

import { giveBack, KEEP_BY_REFERENCE_BYTES, takeBuffer, takeCopy } from "../../multiplexer/index.ts";

/**
 * A pipe holds 64 KiB by default, so one read can empty it. Larger pipes and buffers were not
 * faster.
 */
const READ_BUFFER_BYTES = 64 * 1024;

/** Safe to share: its bytes are copied before any other reader runs, short ones by the window, long ones in `take`. */
const shared = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/**
 * At most this many readers have their own buffer at a time (4 MiB in all). A buffer to read into is not output, so the memory
 * budget does not count it. Other readers use the shared buffer, and their output is copied.
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
    const isShared = this.#current === shared;
    if (!isShared || ownCount < MOST_OWN) {
      if (isShared) ownCount++;
      this.#current = takeBuffer(READ_BUFFER_BYTES);
    }
    return isShared ? takeCopy(filled) : filled;
  }

  /** To be called when its reader and its stream no longer use the buffer. */
  close(): void {
    this.#share();
  }

  #share(): void {
    if (this.#current !== shared) ownCount--;
    this.#current = shared;
  }
}
