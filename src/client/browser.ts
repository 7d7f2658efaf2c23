// holdfast/client without Node: the same client, over a transport that the caller provides.

import { newClient } from "./client.ts";
import { toSettings } from "./client-settings.ts";
import { fetchHttp } from "./fetch-http.ts";
import { givenConnection } from "./transport-rpc.ts";
import type { Client, ClientOptions } from "./types.ts";

export * from "./exports.ts";

/** Connects at the first call. Throws a TypeError or RangeError for invalid options. */
export function createClient(options: ClientOptions): Client {
  if (options.transport === undefined)
    throw new TypeError(
      "createClient needs a transport here: () => createConnectTransport({ baseUrl }) of @connectrpc/connect-web",
    );
  const { transport, filesUrl } = options;
  const http = filesUrl === undefined ? undefined : fetchHttp(filesUrl);
  return newClient(givenConnection(transport, http), toSettings(options));
}
