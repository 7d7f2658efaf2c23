// Reads a request's body whole, within bounds: it may come from anybody, since POST /init carries its token inside.

import { startTimer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import type { NodeRequest } from "../http/index.ts";

const MAX_BYTES = 1024 * 1024;
/** Of all bodies that are being read. */
const MAX_BYTES_TOGETHER = 8 * 1024 * 1024;
const MAX_MS = 10_000;

export class BodyReader {
  readonly #maxMs: number;
  #heldBytes = 0;

  /** `requestMs`: how long a request may take to arrive; 10 s at most. */
  constructor(requestMs: number) {
    this.#maxMs = Math.min(requestMs, MAX_MS);
  }

  /** Throws `resource_exhausted` for what is too large, `deadline_exceeded` for what is too slow. */
  read(request: NodeRequest): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new HoldfastError("deadline_exceeded", `the body did not arrive within ${this.#maxMs} ms`));
      const timer = startTimer(this.#maxMs, late);
      this.#readAll(request)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  /** Goes on after who waits for it has given up, until the answer has ended the request. */
  async #readAll(request: NodeRequest): Promise<string> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    try {
      // Not destroyed by a failure here: the answer has still to go out.
      for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += piece.length;
        this.#heldBytes += piece.length;
        if (bytes > MAX_BYTES) throw tooMuch(`the body has more than ${MAX_BYTES} bytes`);
        if (this.#heldBytes > MAX_BYTES_TOGETHER) throw tooMuch("too many bodies are being read");
        pieces.push(piece);
      }
    } finally {
      this.#heldBytes -= bytes;
    }
    return Buffer.concat(pieces).toString();
  }
}

function tooMuch(message: string): HoldfastError {
  return new HoldfastError("resource_exhausted", message);
}
