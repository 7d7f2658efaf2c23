// Connections to the agent made by Node itself, over HTTP/1.1 or h2c (HTTP/2 for https). With
// http2-session.ts the only file of the client that needs Node.

import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Connection } from "./connection.ts";
import { Http2Session } from "./http2-session.ts";

export interface NodeConnectionOptions {
  readonly baseUrl: string;
  readonly httpVersion: "1.1" | "2";
  /** How often a shared HTTP/2 connection is checked, and how long an HTTP/1.1 connection may be idle to be used again. */
  readonly keepaliveMs: number;
}

/** A transport, and what gives up its connections. */
interface Owned {
  readonly transport: Transport;
  retire(): void;
}

/** Throws a TypeError for what is no such URL. */
export function nodeConnection(options: NodeConnectionOptions): Connection {
  if (!/^https?:\/\//.test(options.baseUrl) || !URL.canParse(options.baseUrl))
    throw new TypeError(`baseUrl is "${options.baseUrl}", must be like http://127.0.0.1:49983`);
  let current: Owned | undefined;
  const close = () => {
    current?.retire();
    current = undefined;
  };
  return {
    open: () => {
      close();
      current = options.httpVersion === "2" ? overHttp2(options) : overHttp1(options);
      return current.transport;
    },
    close,
  };
}

/** A connection for each stream: one that nobody reads holds up no other. */
function overHttp1({ baseUrl, keepaliveMs }: NodeConnectionOptions): Owned {
  const Agent = new URL(baseUrl).protocol === "https:" ? HttpsAgent : HttpAgent;
  // The limit ends idle connections only: who knows what became of them. On one in use nobody listens to it.
  const agent = new Agent({ keepAlive: true, timeout: keepaliveMs });
  return {
    transport: createConnectTransport({
      baseUrl,
      httpVersion: "1.1",
      useBinaryFormat: true,
      nodeOptions: { agent },
    }),
    // What is in use goes on: another process's stream may be well.
    retire: () => {
      agent.maxFreeSockets = 0;
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
    },
  };
}

function overHttp2({ baseUrl, keepaliveMs }: NodeConnectionOptions): Owned {
  const sessionManager = new Http2Session(baseUrl, keepaliveMs);
  return {
    transport: createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true, sessionManager }),
    retire: () => sessionManager.abort(),
  };
}
