// Connections without a request, in the order in which they became idle. Each costs a descriptor and
// some memory, and a client that holds thousands of them must not keep other clients out. A connection
// that has not sent its first request is also idle.

import type { NodeRequest, RequestListener } from "../exchange.ts";

interface Connection {
  requests: number;
  /** When it became idle last. */
  bytesAtIdle: number;
  readonly bytesRead: () => number;
  isGone: boolean;
  /** Ends it. No request can fail by that, because none is being answered. */
  readonly close: () => void;
}

export class IdleConnections {
  #max: number;
  readonly #onCount: (count: number) => void;
  /** The key is the connection of a request: a socket, or an HTTP/2 session. */
  readonly #byOwner = new WeakMap<object, Connection>();
  /** The longest idle first. */
  readonly #idle = new Set<Connection>();

  /** `onCount` is called with each new count. */
  constructor(max: number, onCount: (count: number) => void = () => undefined) {
    this.#max = max;
    this.#onCount = onCount;
  }

  get count(): number {
    return this.#idle.size;
  }

  /** Closes the longest idle connections beyond the new limit. */
  setMax(max: number): void {
    this.#max = max;
    this.#closeBeyondMax();
    this.#onCount(this.#idle.size);
  }

  /** Whether no request of the connection is being answered. */
  isIdle(owner: object): boolean {
    const connection = this.#byOwner.get(owner);
    return connection !== undefined && this.#idle.has(connection);
  }

  /** Whether nothing is asked on the connection, not even the beginning of a request. */
  isSilent(owner: object): boolean {
    const connection = this.#byOwner.get(owner);
    if (connection === undefined || !this.#idle.has(connection)) return false;
    return connection.bytesAtIdle === connection.bytesRead();
  }

  /** Adds a connection whose requests come with `owner`. The caller calls the result when it is gone. */
  add(owner: object, close: () => void, bytesRead: () => number = () => 0): () => void {
    const connection: Connection = { requests: 0, bytesAtIdle: bytesRead(), bytesRead, isGone: false, close };
    this.#byOwner.set(owner, connection);
    this.#becomeIdle(connection);
    return () => {
      connection.isGone = true;
      this.#leave(connection);
    };
  }

  /** The requests of the connection added with `owner` also come with `other`. */
  alias(owner: object, other: object): void {
    const connection = this.#byOwner.get(owner);
    if (connection !== undefined) this.#byOwner.set(other, connection);
  }

  /** A connection is not idle while one of its requests is being answered. */
  watch(listener: RequestListener): RequestListener {
    return (request, response) => {
      const connection = this.#byOwner.get(ownerOf(request));
      if (connection !== undefined) {
        connection.requests++;
        this.#leave(connection);
        response.once("close", () => {
          if (--connection.requests === 0) this.#becomeIdle(connection);
        });
      }
      listener(request, response);
    };
  }

  #becomeIdle(connection: Connection): void {
    // When a connection breaks, its responses close after it.
    if (connection.isGone) return;
    connection.bytesAtIdle = connection.bytesRead();
    this.#idle.add(connection);
    this.#closeBeyondMax();
    this.#onCount(this.#idle.size);
  }

  #leave(connection: Connection): void {
    if (this.#idle.delete(connection)) this.#onCount(this.#idle.size);
  }

  #closeBeyondMax(): void {
    for (const longest of this.#idle) {
      if (this.#idle.size <= this.#max) return;
      this.#idle.delete(longest);
      longest.close();
    }
  }
}

/** The connection of a request. */
export function ownerOf(request: NodeRequest): object {
  if (!("stream" in request)) return request.socket;
  // A stream has no session once the session is destroyed.
  return request.stream.session ?? request;
}
