// Requests of HTTP/1.1 that wait for the answers before them on their connection, of all connections together. Each takes
// some KiB until its turn, and a client can send ahead without end while its first answer is a stream.

import type { Socket } from "node:net";
import type { NodeRequest } from "../exchange.ts";

const MAX_WAITING = 1024;

export class PipelineQueue {
  readonly #max: number;
  #waiting = 0;
  readonly #connections = new WeakMap<Socket, { waiting: NodeRequest[] }>();

  constructor(max = MAX_WAITING) {
    this.#max = max;
  }

  /** Returns false if too many wait, or if the connection is closed. */
  enter(socket: Socket, request: NodeRequest): boolean {
    if (this.#waiting >= this.#max || socket.closed) return false;
    const connection = this.#connections.get(socket) ?? this.#watch(socket);
    connection.waiting.push(request);
    this.#waiting++;
    return true;
  }

  /** The turn of one of them has come. */
  leave(socket: Socket): void {
    const connection = this.#connections.get(socket);
    // After the close of the connection, none waits.
    if (connection === undefined || connection.waiting.length === 0) return;
    connection.waiting.shift();
    this.#waiting--;
  }

  /** In the order of their turns. */
  waitingOn(socket: Socket): readonly NodeRequest[] {
    return this.#connections.get(socket)?.waiting ?? [];
  }

  #watch(socket: Socket): { waiting: NodeRequest[] } {
    const connection: { waiting: NodeRequest[] } = { waiting: [] };
    this.#connections.set(socket, connection);
    socket.once("close", () => {
      this.#waiting -= connection.waiting.length;
      connection.waiting = [];
    });
    return connection;
  }
}
