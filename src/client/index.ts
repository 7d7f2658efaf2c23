// holdfast/client: starts, finds, reads and feeds the processes of an agent, and never loses its place. The door for
// Node; browsers get browser.ts, which is the same but for `baseUrl`.

import { newClient } from "./client.ts";
import { givenConnection } from "./connection.ts";
import { nodeConnection } from "./node-connection.ts";
import { toSettings } from "./settings.ts";
import type { Client, ClientOptions } from "./types.ts";

export type { Clock, Timer } from "../clock.ts";
export { ClientError, type ClientErrorCode, DetachedError, GapError, ProcessGoneError } from "./errors.ts";
export type * from "./types.ts";

/** Connects when it is first used. Throws a TypeError or RangeError for options that cannot be meant. */
export function createClient(options: ClientOptions): Client {
  const { transport, baseUrl, httpVersion = "1.1" } = options;
  const settings = toSettings(options);
  if ((transport === undefined) === (baseUrl === undefined))
    throw new TypeError(
      'give createClient a baseUrl, "http://127.0.0.1:49983", or a transport, and not both',
    );
  if (transport !== undefined) return newClient(givenConnection(transport), settings);
  const keepaliveMs = settings.keepaliveSeconds * 1000;
  return newClient(nodeConnection({ baseUrl: baseUrl ?? "", httpVersion, keepaliveMs }), settings);
}
