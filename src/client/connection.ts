// What calls go over: the transports that a client uses one after the other, and the present one.

import { createClient, type Client as RpcClient, type Transport } from "@connectrpc/connect";
import { Process } from "../gen/process_pb.ts";
import { messageOf } from "../text.ts";
import { ClientError, DetachedError } from "./client-errors.ts";
import type { Settings } from "./client-settings.ts";

/** Makes transports. */
export interface Connection {
  /** Makes a new transport. Earlier ones get no new calls. */
  open(): Transport;
  /** Closes idle connections. Those in use are closed by their calls. */
  close(): void;
  /** How many HTTP/2 connections the other side has announced to end. Absent: not known. */
  readonly goaways?: number;
}

/** Over transports that the caller provides. */
export function givenConnection(transport: Transport | (() => Transport)): Connection {
  return {
    open: typeof transport === "function" ? transport : () => transport,
    close: () => {
      // The caller owns its transports and closes them.
    },
  };
}

export type Rpc = RpcClient<typeof Process>;

/** One client's link to its agent. */
export class AgentLink {
  readonly settings: Settings;
  readonly #connection: Connection;
  readonly #closing = new AbortController();
  #rpc: Rpc | undefined;

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
    this.#rpc ??= createClient(Process, this.#open());
    return this.#rpc;
  }

  /**
   * Reports that `silent` did not answer: later calls use a new transport. Only the first report
   * counts.
   */
  abandon(silent: Rpc): void {
    if (this.#rpc === silent) this.#rpc = undefined;
  }

  #open(): Transport {
    try {
      return this.#connection.open();
    } catch (cause) {
      const message = messageOf(cause);
      throw new ClientError("invalid_argument", `the transport function failed: ${message}`, { cause });
    }
  }

  close(): void {
    this.#closing.abort(new DetachedError("the client is closed"));
    this.#connection.close();
  }
}
