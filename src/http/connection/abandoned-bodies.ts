// Requests whose clients have gone before the agent has read all of them. While the agent cannot
// continue with a body, for example because a process does not take its input, it does not read the
// connection. Node then never learns that the client has closed it, and the request would hold its
// memory as long as the process runs.

import type { Socket } from "node:net";
import { hasPeerClosed } from "../../linux/index.ts";

/**
 * Sweeps in a row without a byte: some ten seconds. Bytes that have arrived are still read if the
 * process takes them in this time.
 */
const MAX_STILL_SWEEPS = 5;

interface Seen {
  readonly bytesRead: number;
  readonly stillSweeps: number;
}

export class AbandonedBodies {
  readonly #seen = new WeakMap<Socket, Seen>();

  /**
   * Call it at every sweep, for connections of HTTP/1.1. True if the peer has closed the connection, and the agent does not
   * read on to that end.
   */
  isAbandoned(socket: Socket): boolean {
    if (socket.readableEnded || !hasPeerClosed(socket)) {
      this.#seen.delete(socket);
      return false;
    }
    const { bytesRead } = socket;
    const before = this.#seen.get(socket);
    const stillSweeps = before?.bytesRead === bytesRead ? before.stillSweeps + 1 : 0;
    this.#seen.set(socket, { bytesRead, stillSweeps });
    return stillSweeps >= MAX_STILL_SWEEPS;
  }
}
