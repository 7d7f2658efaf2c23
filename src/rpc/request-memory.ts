// What all requests together hold while they arrive. Each message is bounded by itself, but a thousand clients that send one
// each, slowly, would hold a thousand times that.

import { Code, ConnectError } from "@connectrpc/connect";

/** One request's share. */
export interface HeldRequest {
  readonly body: AsyncIterable<Uint8Array>;
  /** What has come so far is parsed and no longer held here. */
  release(): void;
}

export class RequestMemory {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Passes `body` on, and fails it with `resource_exhausted` where there is no room. Lets go of all when it is over. */
  hold(body: AsyncIterable<Uint8Array>): HeldRequest {
    let held = 0;
    const release = () => {
      this.#heldBytes -= held;
      held = 0;
    };
    const take = (bytes: number) => {
      if (this.#heldBytes + bytes > this.#maxBytes) throw noRoom(this.#maxBytes);
      held += bytes;
      this.#heldBytes += bytes;
    };
    return { body: passOn(body, take, release), release };
  }
}

async function* passOn(
  body: AsyncIterable<Uint8Array>,
  take: (bytes: number) => void,
  release: () => void,
): AsyncIterable<Uint8Array> {
  try {
    for await (const piece of body) {
      take(piece.length);
      yield piece;
    }
  } finally {
    release();
  }
}

function noRoom(maxBytes: number): ConnectError {
  return new ConnectError(
    `requests that are arriving hold ${maxBytes} bytes, as much as they may (--request-memory)`,
    Code.ResourceExhausted,
  );
}
