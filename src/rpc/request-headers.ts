// What clients say in headers: for how long, how often to be told that we are alive, as whom.

import { HoldfastError } from "../errors.ts";

/** Seen from the handler: what `Request.headers` and `Headers` both can do. */
export interface HeaderReader {
  get(name: string): string | null;
}

const DEFAULT_KEEPALIVE_SECONDS = 90;
/** setTimeout's limit, 24 days. */
const MAX_KEEPALIVE_SECONDS = 2_147_483;

/** How long a stream may be silent before a KeepAlive is due. Throws `invalid_argument` for what is no such time. */
export function keepaliveMs(header: HeaderReader): number {
  const value = header.get("Keepalive-Ping-Interval");
  if (value === null) return DEFAULT_KEEPALIVE_SECONDS * 1000;
  const seconds = /^\d{1,10}$/.test(value) ? Number(value) : 0;
  if (seconds >= 1 && seconds <= MAX_KEEPALIVE_SECONDS) return seconds * 1000;
  throw new HoldfastError(
    "invalid_argument",
    `Keepalive-Ping-Interval is "${value}", must be whole seconds from 1 to ${MAX_KEEPALIVE_SECONDS}`,
  );
}

const TIMEOUT_HEADERS = ["Connect-Timeout-Ms", "Grpc-Timeout"] as const;
const grpcUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * The client's limit in milliseconds, by Connect's or gRPC's header. Undefined for none, for 0, which means none, and
 * for a malformed one, which the library refuses in the words of the protocol.
 */
export function timeoutMs(header: HeaderReader): number | undefined {
  for (const name of TIMEOUT_HEADERS) {
    const value = header.get(name);
    if (value !== null) return parseTimeoutMs(value) || undefined;
  }
  return undefined;
}

/** Takes the limit away from the library, which has no room for 0 nor for more than 2^31-1 ms. */
export function removeTimeout(header: Headers): void {
  for (const name of TIMEOUT_HEADERS)
    if (parseTimeoutMs(header.get(name) ?? "") !== undefined) header.delete(name);
}

function parseTimeoutMs(value: string): number | undefined {
  if (/^\d{1,10}$/.test(value)) return Number(value);
  const [, amount, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  const unitMs = grpcUnitMs[unit ?? ""];
  return unitMs === undefined ? undefined : Number(amount) * unitMs;
}

/**
 * The user named by `Authorization: Basic base64("USER:")`; undefined without one. Throws `unauthenticated` for a
 * malformed one.
 */
export function basicUser(header: HeaderReader): string | undefined {
  const [, encoded] = /^basic +(.*)$/i.exec(header.get("Authorization") ?? "") ?? [];
  if (encoded === undefined) return undefined;
  const [user, ...password] = Buffer.from(encoded, "base64").toString().split(":");
  if (user !== undefined && user !== "" && password.length > 0) return user;
  throw new HoldfastError("unauthenticated", 'Authorization: Basic must be base64("USER:")');
}
