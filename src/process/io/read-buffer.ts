// Where output is read to. Idle readers share one buffer, so that 1,000 of them keep 64 KiB and not 64 MB; one that
// floods gets buffers of its own, which the output window then keeps without a copy.

import { giveBack, KEEP_BY_REFERENCE_BYTES, takeBuffer, takeCopy } from "../../multiplexer/index.ts";

/** A pipe holds 64 KiB unless someone enlarges it, so one read can empty it. Larger ones of both were no faster. */
const READ_BUFFER_BYTES = 64 * 1024;

/** Safe to share: libuv fills it and the reader copies out of it before anything else can run. */
const shared = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

export class ReadBuffer {
  #current: Buffer = shared;

  /** The buffer to read into next. */
  get current(): Buffer {
    return this.#current;
  }

  /**
   * The first `bytes` of `current`, after a read filled them. Fit for the output window: what the window keeps by
   * reference is not read into again before it gives it back; what it copies, it must copy before anything else is read.
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
