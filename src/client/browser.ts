// holdfast/client without Node: the same client over `fetch`, or over a transport that the caller provides.

import { newClient } from "./client.ts";
import { toSettings } from "./client-settings.ts";
import { createPageClient } from "./page-client.ts";
import { fetchHttp } from "./transport/fetch-http.ts";
import { givenConnection } from "./transport/transport-rpc.ts";
import type { Client, ClientOptions } from "./types.ts";

export * from "./exports.ts";

/** Connects at the first call. Throws a TypeError or RangeError for invalid options. */
export function createClient(options: ClientOptions): Client {
  const { transport, baseUrl, filesUrl } = options;
  if ((transport === undefined) === (baseUrl === undefined))
    throw new TypeError(
      'createClient needs a baseUrl ("https://sandbox.example.com") or a transport, and not both',
    );
  if (transport === undefined) {
    refuseOthers(options);
    return createPageClient({ ...options, baseUrl: baseUrl ?? "" });
  }
  const http = filesUrl === undefined ? undefined : fetchHttp(filesUrl);
  return newClient(givenConnection(transport, http), toSettings(options));
}

function refuseOthers({ filesUrl, httpVersion, ca }: ClientOptions): void {
  if (filesUrl !== undefined)
    throw new TypeError("filesUrl belongs beside a transport; with a baseUrl, files go over that");
  // fetch decides both.
  if (httpVersion !== undefined || ca !== undefined)
    throw new TypeError(
      "httpVersion and ca need Node: the browser chooses the version and checks certificates",
    );
}
