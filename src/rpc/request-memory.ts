// Counts the bytes that all requests together hold while they arrive. Each message has a limit of its own, but a thousand
// clients that slowly send one message each would hold a thousand times that limit.

import { Code, ConnectError } from "@connectrpc/connect";

/** One request, counted while it arrives. */
export interface HeldRequest {
  readonly body: AsyncIterable<Uint8Array>;
  /** The bytes received so far are parsed and no longer held here. */
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

  /** Counts `body` as it is read, and fails it with `resource_exhausted` at the limit. Its end releases everything. */
  hold(body: AsyncIterable<Uint8Array>): HeldRequest {
    let held = 0;
    const release = () => {
      this.#heldBytes -= held;
      held = 0;
    };
    const reserve = (bytes: number) => {
      if (this.#heldBytes + bytes > this.#maxBytes) throw noRoom(this.#maxBytes);
      held += bytes;
      this.#heldBytes += bytes;
    };
    return { body: passOn(body, reserve, release), release };
  }
}

async function* passOn(
  body: AsyncIterable<Uint8Array>,
  reserve: (bytes: number) => void,
  release: () => void,
): AsyncIterable<Uint8Array> {
  try {
    for await (const piece of body) {
      reserve(piece.length);
      yield piece;
    }
  } finally {
    release();
  }
}

function noRoom(maxBytes: number): ConnectError {
  return new ConnectError(
    `memory limit for arriving requests reached (${maxBytes} bytes; --request-memory)`,
    Code.ResourceExhausted,
  );
}
