// holdfast/client where there is no Node: the same client over a transport that is handed in.

import { newClient } from "./client.ts";
import { givenConnection } from "./connection.ts";
import { toSettings } from "./settings.ts";
import type { Client, ClientOptions } from "./types.ts";

export type { Clock, Timer } from "../clock.ts";
export { ClientError, type ClientErrorCode, DetachedError, GapError, ProcessGoneError } from "./errors.ts";
export type * from "./types.ts";

/** Connects when it is first used. Throws a TypeError or RangeError for options that cannot be meant. */
export function createClient(options: ClientOptions): Client {
  if (options.transport === undefined)
    throw new TypeError(
      "give createClient a transport here: () => createConnectTransport({ baseUrl }) of @connectrpc/connect-web",
    );
  return newClient(givenConnection(options.transport), toSettings(options));
}
