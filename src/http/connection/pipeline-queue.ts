// Requests of HTTP/1.1 that wait for the answers before them on their connection, of all connections together. Each takes
// some KiB until its turn, and a client can send ahead without end while its first answer is a stream.

import type { Socket } from "node:net";

const MAX_WAITING = 1024;

export class PipelineQueue {
  readonly #max: number;
  #waiting = 0;
  readonly #connections = new WeakMap<Socket, { waiting: number }>();

  constructor(max = MAX_WAITING) {
    this.#max = max;
  }

  /** Returns false if too many wait, or if the connection is closed. */
  enter(socket: Socket): boolean {
    if (this.#waiting >= this.#max || socket.closed) return false;
    const connection = this.#connections.get(socket) ?? this.#watch(socket);
    connection.waiting++;
    this.#waiting++;
    return true;
  }

  /** The turn of one of them has come. */
  leave(socket: Socket): void {
    const connection = this.#connections.get(socket);
    // After the close of the connection, none waits.
    if (connection === undefined || connection.waiting === 0) return;
    connection.waiting--;
    this.#waiting--;
  }

  #watch(socket: Socket): { waiting: number } {
    const connection = { waiting: 0 };
    this.#connections.set(socket, connection);
    socket.once("close", () => {
      this.#waiting -= connection.waiting;
      connection.waiting = 0;
    });
    return connection;
  }
}
