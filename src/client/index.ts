// holdfast/client for Node: starts and finds the processes of an agent, reads their output, sends
// them input, and resumes lost connections at the same byte. Browsers get browser.ts, the same
// client over `fetch`.

import { createAgentClient } from "./agent-client.ts";
import { newClient } from "./client.ts";
import { toSettings } from "./client-settings.ts";
import { nodeRandomId } from "./node/node-random-id.ts";
import { fetchHttp } from "./transport/fetch-http.ts";
import { givenConnection } from "./transport/transport-rpc.ts";
import type { Client, ClientOptions } from "./types.ts";

export * from "./exports.ts";

/** Connects at the first call. Throws a TypeError or RangeError for invalid options. */
export function createClient(options: ClientOptions): Client {
  const { transport, baseUrl, filesUrl } = options;
  const settings = toSettings(options, nodeRandomId);
  if ((transport === undefined) === (baseUrl === undefined))
    throw new TypeError(
      'createClient needs a baseUrl ("http://127.0.0.1:49983") or a transport, and not both',
    );
  if (transport !== undefined)
    return newClient(
      givenConnection(transport, filesUrl === undefined ? undefined : fetchHttp(filesUrl)),
      settings,
    );
  if (filesUrl !== undefined)
    throw new TypeError("filesUrl is for a transport only; with a baseUrl, files use the baseUrl");
  return createAgentClient({ ...options, baseUrl: baseUrl ?? "" });
}
