// A client of the agent at an address. The door of this folder for the command: createClient of index.ts also takes
// transports, and loads the libraries for them.

import { newClient } from "./client.ts";
import { toSettings } from "./client-settings.ts";
import { nodeConnection } from "./node/node-connection.ts";
import { nodeRandomId } from "./node/node-random-id.ts";
import type { Client, ClientOptions } from "./types.ts";

export type AgentClientOptions = Omit<ClientOptions, "transport" | "filesUrl"> & { readonly baseUrl: string };

/** Connects at the first call. Throws a TypeError or RangeError for invalid options. */
export function createAgentClient(options: AgentClientOptions): Client {
  const { baseUrl, ca, httpVersion = "1.1" } = options;
  if (httpVersion !== "1.1" && httpVersion !== "2")
    throw new TypeError(`httpVersion is "${httpVersion}", must be "1.1" or "2"`);
  const settings = toSettings(options, nodeRandomId);
  const keepaliveMs = settings.keepaliveSeconds * 1000;
  return newClient(nodeConnection({ baseUrl, httpVersion, ca, keepaliveMs }), settings);
}
