// A client for pages: the agent's protocol over `fetch`, without a library for transports. The door of this folder for the
// console: createClient of browser.ts also takes transports, and so a page loads three times as much code with it.

import { newClient } from "./client.ts";
import { toSettings } from "./client-settings.ts";
import type { Connection } from "./transport/connection.ts";
import { fetchHttp } from "./transport/fetch-http.ts";
import { rpcOverHttp } from "./transport/http-rpc.ts";
import type { Client, ClientOptions } from "./types.ts";

export * from "./exports.ts";

export type PageClientOptions = Pick<ClientOptions, "user" | "token" | "reconnect"> & {
  readonly baseUrl: string;
};

/** Connects at the first call. Throws a TypeError or RangeError for invalid options. */
export function createPageClient(options: PageClientOptions): Client {
  return newClient(fetchConnection(options.baseUrl), toSettings(options));
}

function fetchConnection(baseUrl: string): Connection {
  const http = fetchHttp(baseUrl, "baseUrl");
  return {
    open: () => ({ rpc: rpcOverHttp(http), http }),
    close: () => {
      // The runtime owns the connections.
    },
  };
}
