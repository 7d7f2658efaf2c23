// Reads a request's body whole, within bounds: it may come from anybody, since POST /init carries its token inside.

import { HoldfastError } from "../errors.ts";
import { startTimer } from "../process/index.ts";
import type { NodeRequest } from "../rpc/index.ts";

const MAX_BYTES = 1024 * 1024;
/** Of all bodies that are being read. */
const MAX_BYTES_TOGETHER = 8 * 1024 * 1024;
const MAX_MS = 10_000;

export class BodyReader {
  #heldBytes = 0;

  /** Throws `resource_exhausted` for what is too large, `deadline_exceeded` for what is too slow. */
  async read(request: NodeRequest): Promise<string> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    let isLate = false;
    const timer = startTimer(MAX_MS, () => {
      isLate = true;
      request.destroy();
    });
    try {
      for await (const piece of request as AsyncIterable<Buffer>) {
        bytes += piece.length;
        this.#heldBytes += piece.length;
        if (bytes > MAX_BYTES) throw tooMuch(`the body has more than ${MAX_BYTES} bytes`);
        if (this.#heldBytes > MAX_BYTES_TOGETHER) throw tooMuch("too many bodies are being read");
        pieces.push(piece);
      }
    } catch (error) {
      if (isLate) throw new HoldfastError("deadline_exceeded", `the body did not arrive within ${MAX_MS} ms`);
      throw error;
    } finally {
      timer.cancel();
      this.#heldBytes -= bytes;
    }
    return Buffer.concat(pieces).toString();
  }
}

function tooMuch(message: string): HoldfastError {
  return new HoldfastError("resource_exhausted", message);
}
