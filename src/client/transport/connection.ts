// The way of calls to the agent: the routes that a client uses one after the other, and the present
// one.

import { messageOf } from "../../text.ts";
import { ClientError, DetachedError } from "../client-errors.ts";
import type { Settings } from "../client-settings.ts";
import type { HttpClient } from "./http-client.ts";
import type { Rpc } from "./rpc.ts";

/** The present way of calls. */
export interface Route {
  readonly rpc: Rpc;
  /** Absent: the contents of files cannot be reached. */
  readonly http?: HttpClient | undefined;
}

/** Makes routes. */
export interface Connection {
  /** Makes a new route. Earlier ones get no new calls. */
  open(): Route;
  /** Closes idle connections. Those in use are closed by their calls. */
  close(): void;
  /** How many HTTP/2 connections the other side has announced to end. Absent: not known. */
  readonly goaways?: number;
}

/** One client's link to its agent. */
export class AgentLink {
  readonly settings: Settings;
  readonly #connection: Connection;
  readonly #closing = new AbortController();
  readonly #followers = new Set<() => void>();
  #route: Route | undefined;

  constructor(connection: Connection, settings: Settings) {
    this.#connection = connection;
    this.settings = settings;
  }

  /** Aborted by `close`. Every call follows it. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /** See Connection. */
  get goaways(): number {
    return this.#connection.goaways ?? 0;
  }

  /** Throws a ClientError when the caller's function for transports fails. */
  get rpc(): Rpc {
    return this.#current().rpc;
  }

  /** Throws a ClientError for a client that has only a transport. */
  get http(): HttpClient {
    const { http } = this.#current();
    if (http !== undefined) return http;
    throw new ClientError(
      "invalid_argument",
      "a transport does not carry the contents of files: also give createClient filesUrl, the agent's address",
    );
  }

  /**
   * Reports that `silent` did not answer: later calls use a new transport. Only the first report
   * counts.
   */
  abandon(silent: Rpc): void {
    if (this.#route?.rpc === silent) this.#route = undefined;
  }

  #current(): Route {
    this.#route ??= this.#open();
    return this.#route;
  }

  #open(): Route {
    try {
      return this.#connection.open();
    } catch (cause) {
      const message = messageOf(cause);
      throw new ClientError("invalid_argument", `the transport function failed: ${message}`, { cause });
    }
  }

  /** Calls `follower` at each reconnectNow, until the returned function is called. */
  onReconnect(follower: () => void): () => void {
    const entry = () => follower();
    this.#followers.add(entry);
    return () => void this.#followers.delete(entry);
  }

  /** Later calls use a new transport; each call in progress decides itself. */
  reconnectNow(): void {
    this.#route = undefined;
    for (const follower of [...this.#followers]) follower();
  }

  close(): void {
    this.#closing.abort(new DetachedError("the client is closed"));
    this.#connection.close();
  }
}
