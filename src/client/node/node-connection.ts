// Connections that Node makes to the agent, over HTTP/1.1 or h2c (HTTP/2 with TLS for https). Only the files of this folder
// need Node.

import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { parseAgentAddress } from "../agent-address.ts";
import type { Connection, Route } from "../transport/connection.ts";
import { rpcOverHttp } from "../transport/http-rpc.ts";
import { Http2Session } from "./http2-session.ts";
import { http1Client, http2Client } from "./node-http.ts";

export interface NodeConnectionOptions {
  /** See parseAgentAddress. */
  readonly baseUrl: string;
  readonly httpVersion: "1.1" | "2";
  /** See ClientOptions. */
  readonly ca?: string | Uint8Array | undefined;
  /**
   * The ping interval of an HTTP/2 connection, and how long an HTTP/1.1 connection may be idle and
   * still be reused.
   */
  readonly keepaliveMs: number;
}

/** A route, and how to give up its connections. */
interface OwnedRoute extends Route {
  /** Connections in use stay open: the streams of other processes may be intact, and some calls must not be repeated. */
  retire(): void;
  /** Every call has ended. */
  close(): void;
}

/** Throws a TypeError for an invalid URL. */
export function nodeConnection(options: NodeConnectionOptions): Connection {
  const address = parseAgentAddress(options.baseUrl);
  if (address === undefined)
    throw new TypeError(
      `baseUrl is "${options.baseUrl}", must be like http://127.0.0.1:49983, 127.0.0.1:49983 or unix:/run/holdfast.sock`,
    );
  const resolved: Resolved = { ...options, ...address, tls: tlsOptions(options.ca) };
  let current: OwnedRoute | undefined;
  let goaways = 0;
  const onGoaway = () => void goaways++;
  return {
    open: () => {
      current?.retire();
      current = options.httpVersion === "2" ? overHttp2(resolved, onGoaway) : overHttp1(resolved);
      return current;
    },
    close: () => {
      current?.close();
      current = undefined;
    },
    get goaways() {
      return goaways;
    },
  };
}

interface Resolved extends NodeConnectionOptions {
  readonly socketPath?: string;
  readonly tls: { readonly ca?: string | Buffer };
}

function tlsOptions(ca: string | Uint8Array | undefined): Resolved["tls"] {
  if (ca === undefined) return {};
  return { ca: typeof ca === "string" ? ca : Buffer.from(ca) };
}

/** One connection per stream: an unread stream does not block others. */
function overHttp1({ baseUrl, keepaliveMs, socketPath, tls }: Resolved): OwnedRoute {
  const Agent = new URL(baseUrl).protocol === "https:" ? HttpsAgent : HttpAgent;
  // Node ends idle connections at this limit, because their state is unknown by then. A connection
  // in use has no listener for the timeout and is not affected.
  const place = socketPath === undefined ? {} : { socketPath };
  const agent = new Agent({ keepAlive: true, timeout: keepaliveMs, ...place, ...tls });
  const http = http1Client(baseUrl, { agent });
  const closeIdle = () => {
    agent.maxFreeSockets = 0;
    for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
  };
  return { rpc: rpcOverHttp(http), http, retire: closeIdle, close: closeIdle };
}

function overHttp2({ baseUrl, keepaliveMs, socketPath, tls }: Resolved, onGoaway: () => void): OwnedRoute {
  const sessionManager = new Http2Session(baseUrl, keepaliveMs, { onGoaway, socketPath, tls });
  const http = http2Client(baseUrl, sessionManager);
  return {
    rpc: rpcOverHttp(http),
    http,
    retire: () => sessionManager.retire(),
    close: () => sessionManager.abort(),
  };
}
