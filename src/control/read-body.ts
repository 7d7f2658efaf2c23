// Reads the whole body of a request, within limits. Anyone may send one: the token of POST /init is inside its body.

import { startTimer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import type { NodeRequest } from "../http/index.ts";

const MAX_BYTES = 1024 * 1024;
/** All bodies that are being read, together. */
const MAX_BYTES_TOGETHER = 8 * 1024 * 1024;
const MAX_MS = 10_000;

export class BodyReader {
  readonly #maxMs: number;
  #heldBytes = 0;

  /** `requestMs`: how long a request may take to arrive; 10 s at most. */
  constructor(requestMs: number) {
    this.#maxMs = Math.min(requestMs, MAX_MS);
  }

  /** Throws `resource_exhausted` for a body that is too large, `deadline_exceeded` for one that is too slow. */
  read(request: NodeRequest): Promise<string> {
    return new Promise((resolve, reject) => {
      const onLate = () =>
        reject(new HoldfastError("deadline_exceeded", `the body did not arrive within ${this.#maxMs} ms`));
      const timer = startTimer(this.#maxMs, onLate);
      this.#readAll(request)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  /** Continues after `read` has rejected for lateness, until the answer has ended the request. */
  async #readAll(request: NodeRequest): Promise<string> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    try {
      // An error here does not destroy the request: the answer is still to be sent.
      for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += piece.length;
        this.#heldBytes += piece.length;
        if (bytes > MAX_BYTES) throw tooMuch(`the body has more than ${MAX_BYTES} bytes`);
        if (this.#heldBytes > MAX_BYTES_TOGETHER) throw tooMuch("too many bodies are being read; try again");
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
