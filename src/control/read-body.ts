// Reads the whole body of a request that carries its token inside (POST /init). Any client may send
// one, so each client address has one slot, and a body takes a slot only if it did not arrive with
// its head. Bodies that never end can therefore not keep out another client.

import { startTimer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import type { NodeRequest } from "../http/index.ts";

const MAX_BYTES = 1024 * 1024;
/** Client addresses with a slot at the same time; above this, the oldest body is given up. */
const MAX_SLOTS = 8;
const MAX_MS = 10_000;

interface Slot {
  readonly giveUp: () => void;
}

export class BodyReader {
  readonly #maxMs: number;
  /** By client address, the oldest first. */
  readonly #slots = new Map<string, Slot>();

  /** `requestMs`: how long a request may take to arrive; 10 s at most. */
  constructor(requestMs: number) {
    this.#maxMs = Math.min(requestMs, MAX_MS);
  }

  /**
   * Throws `resource_exhausted` for a body that is too large, `deadline_exceeded` for one that is too
   * slow, and `unavailable` for one that a later body from the same address replaced.
   */
  read(request: NodeRequest): Promise<string> {
    if (request.complete) return readAll(request);
    return new Promise((resolve, reject) => {
      const fail = (code: "deadline_exceeded" | "unavailable", message: string) => {
        reject(new HoldfastError(code, message));
        // Its bytes are no longer kept.
        request.removeAllListeners("readable");
        request.resume();
      };
      const timer = startTimer(this.#maxMs, () =>
        fail("deadline_exceeded", `the body did not arrive within ${this.#maxMs} ms`),
      );
      const leave = this.#enter(addressOf(request), () =>
        fail("unavailable", "another body arrived before this one was complete; try again"),
      );
      readAll(request)
        .then(resolve, reject)
        .finally(() => {
          timer.cancel();
          leave();
        });
    });
  }

  /** Returns the function that frees the slot. */
  #enter(address: string, giveUp: () => void): () => void {
    const slot: Slot = { giveUp };
    const [oldest] = this.#slots.keys();
    const replaced = this.#slots.has(address) || this.#slots.size < MAX_SLOTS ? address : oldest;
    if (replaced !== undefined) {
      this.#slots.get(replaced)?.giveUp();
      this.#slots.delete(replaced);
    }
    this.#slots.set(address, slot);
    return () => {
      if (this.#slots.get(address) === slot) this.#slots.delete(address);
    };
  }
}

async function readAll(request: NodeRequest): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  // An error here does not destroy the request: the answer is still to be sent.
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_BYTES)
      throw new HoldfastError("resource_exhausted", `the body has more than ${MAX_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function addressOf({ socket }: NodeRequest): string {
  return socket.remoteAddress ?? "local";
}
