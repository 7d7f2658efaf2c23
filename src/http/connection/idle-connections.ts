// Connections nobody asks anything on, in the order they fell idle: each costs a descriptor and some memory, and a client
// that holds thousands of them must not keep others out. One that has yet to send its first request is idle, too.

import type { NodeRequest, RequestListener } from "../exchange.ts";

interface Connection {
  requests: number;
  isGone: boolean;
  /** Ends it; it must not fail what is being answered, as nothing is. */
  readonly close: () => void;
}

export class IdleConnections {
  readonly #max: number;
  /** By what a request names as its own: a socket, or a session of HTTP/2. */
  readonly #byCarrier = new WeakMap<object, Connection>();
  /** The longest idle first. */
  readonly #idle = new Set<Connection>();

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#idle.size;
  }

  /** A new one, whose requests come with `carrier`. Returns what is to be called when it is gone. */
  add(carrier: object, close: () => void): () => void {
    const connection: Connection = { requests: 0, isGone: false, close };
    this.#byCarrier.set(carrier, connection);
    this.#fellIdle(connection);
    return () => {
      connection.isGone = true;
      this.#idle.delete(connection);
    };
  }

  /** The requests of the connection that came with `carrier` come with `other`, too. */
  alias(carrier: object, other: object): void {
    const connection = this.#byCarrier.get(carrier);
    if (connection !== undefined) this.#byCarrier.set(other, connection);
  }

  /** Its connection is not idle while a request is answered. */
  watch(listener: RequestListener): RequestListener {
    return (request, response) => {
      const connection = this.#byCarrier.get(carrierOf(request));
      if (connection !== undefined) {
        connection.requests++;
        this.#idle.delete(connection);
        response.once("close", () => {
          if (--connection.requests === 0) this.#fellIdle(connection);
        });
      }
      listener(request, response);
    };
  }

  #fellIdle(connection: Connection): void {
    // The response closes after the connection that broke.
    if (connection.isGone) return;
    this.#idle.add(connection);
    if (this.#idle.size <= this.#max) return;
    const [longest] = this.#idle;
    if (longest === undefined) return;
    this.#idle.delete(longest);
    longest.close();
  }
}

function carrierOf(request: NodeRequest): object {
  if (!("stream" in request)) return request.socket;
  // None when the session is gone already.
  return request.stream.session ?? request;
}
