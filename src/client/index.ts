// holdfast/client for Node: starts, finds, reads and feeds the processes of an agent, and resumes
// lost connections at the same byte. Browsers get browser.ts, the same client without `baseUrl`.

import { newClient } from "./client.ts";
import { toSettings } from "./client-settings.ts";
import { givenConnection } from "./connection.ts";
import { fetchHttp } from "./fetch-http.ts";
import { nodeConnection } from "./node-connection.ts";
import type { Client, ClientOptions } from "./types.ts";

export * from "./exports.ts";

/** Connects at the first call. Throws a TypeError or RangeError for invalid options. */
export function createClient(options: ClientOptions): Client {
  const { transport, baseUrl, ca, filesUrl, httpVersion = "1.1" } = options;
  const settings = toSettings(options);
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
    throw new TypeError("filesUrl belongs beside a transport; with a baseUrl, files go over that");
  const keepaliveMs = settings.keepaliveSeconds * 1000;
  return newClient(nodeConnection({ baseUrl: baseUrl ?? "", httpVersion, ca, keepaliveMs }), settings);
}
