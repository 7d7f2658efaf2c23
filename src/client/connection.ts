// What calls go over: the transports a client uses one after the other, and the one it uses now.

import { createClient, type Client as RpcClient, type Transport } from "@connectrpc/connect";
import { Process } from "../gen/process_pb.ts";
import { messageOf } from "../text.ts";
import { ClientError, DetachedError } from "./errors.ts";
import type { Settings } from "./settings.ts";

/** Makes transports. */
export interface Connection {
  /** A fresh one. Those made before get no new calls. */
  open(): Transport;
  /** Closes what is idle; what is in use is aborted by its calls. */
  close(): void;
}

/** Over what a caller brought along. */
export function givenConnection(transport: Transport | (() => Transport)): Connection {
  return {
    open: typeof transport === "function" ? transport : () => transport,
    close: () => {
      // Whoever made it closes it.
    },
  };
}

export type Rpc = RpcClient<typeof Process>;

/** One client's way to its agent. */
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

  /** Throws a ClientError when the caller's own function for transports fails. */
  get rpc(): Rpc {
    this.#rpc ??= createClient(Process, this.#open());
    return this.#rpc;
  }

  /** `silent` answered nothing: later calls go over a fresh transport. Only the first to notice makes it. */
  abandon(silent: Rpc): void {
    if (this.#rpc === silent) this.#rpc = undefined;
  }

  #open(): Transport {
    try {
      return this.#connection.open();
    } catch (cause) {
      const message = messageOf(cause);
      throw new ClientError("invalid_argument", `no transport could be made: ${message}`, { cause });
    }
  }

  close(): void {
    this.#closing.abort(new DetachedError("the client is closed"));
    this.#connection.close();
  }
}
