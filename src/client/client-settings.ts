// The options of a client with their defaults filled in, checked once.

import { type Clock, realClock } from "../clock.ts";
import { randomId } from "./random-id.ts";
import { unsendableIn } from "./transport/sendable.ts";
import type { ClientOptions } from "./types.ts";

export interface Settings {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  readonly spreadMs: number;
  readonly giveUpAfterMs: number;
  readonly callRetryMs: number;
  readonly keepaliveSeconds: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Names what must not be done twice. */
  readonly randomId: () => string;
  readonly user: string | undefined;
  /** Sent with every call. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The agent's limit. */
const MAX_KEEPALIVE_SECONDS = 2_147_483;

export function toSettings(
  { user, token, reconnect = {} }: ClientOptions,
  newId: () => string = randomId,
): Settings {
  const problem = token === undefined ? undefined : unsendableIn(token);
  if (problem !== undefined) throw new RangeError(`token cannot be sent: it has ${problem}`);
  const settings = {
    initialDelayMs: reconnect.initialDelayMs ?? 200,
    maxDelayMs: reconnect.maxDelayMs ?? 10_000,
    spreadMs: reconnect.spreadMs ?? 0,
    giveUpAfterMs: reconnect.giveUpAfterMs ?? Number.POSITIVE_INFINITY,
    callRetryMs: reconnect.callRetryMs ?? 30_000,
    keepaliveSeconds: reconnect.keepaliveSeconds ?? 10,
    clock: reconnect.clock ?? realClock,
    random: reconnect.random ?? Math.random,
    randomId: newId,
    user,
    headers: token === undefined ? {} : { "X-Access-Token": token },
  };
  for (const name of ["initialDelayMs", "maxDelayMs", "spreadMs", "giveUpAfterMs", "callRetryMs"] as const)
    if (!(settings[name] >= 0))
      throw new RangeError(`reconnect.${name} is ${settings[name]}, must be 0 or more`);
  const { keepaliveSeconds } = settings;
  if (!Number.isInteger(keepaliveSeconds) || keepaliveSeconds < 1 || keepaliveSeconds > MAX_KEEPALIVE_SECONDS)
    throw new RangeError(
      `reconnect.keepaliveSeconds is ${keepaliveSeconds}, must be whole seconds from 1 to ${MAX_KEEPALIVE_SECONDS}`,
    );
  return settings;
}
