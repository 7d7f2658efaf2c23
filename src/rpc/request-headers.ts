// Reads what clients request in headers: the time limit, the interval of KeepAlives and the user.

import { HoldfastError } from "../errors.ts";
import type { HeaderReader } from "../http/index.ts";

/** setTimeout's limit, 24 days. */
const MAX_KEEPALIVE_SECONDS = 2_147_483;

/**
 * How long a stream may be silent before a KeepAlive is due: as the client asks, and at most `maxMs`. A
 * malformed interval does not fail a start.
 */
export function keepaliveMs(header: HeaderReader, maxMs: number): number {
  const value = header.get("Keepalive-Ping-Interval");
  const seconds = /^\d{1,10}$/.test(value ?? "") ? Number(value) : 0;
  const isUsable = seconds >= 1 && seconds <= MAX_KEEPALIVE_SECONDS;
  return isUsable ? Math.min(seconds * 1000, maxMs) : maxMs;
}

const grpcUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * The client's limit in milliseconds, from the header of its protocol. Undefined without one, for 0 (which means no
 * limit), and for a malformed one, which the library refuses in the format of the protocol.
 */
export function timeoutMs(header: HeaderReader): number | undefined {
  const { name, parse } = timeoutHeader(header);
  return parse(header.get(name) ?? "") || undefined;
}

/** Hides the limit from the library, which supports neither 0 nor more than 2^31-1 ms. */
export function removeTimeout(header: Headers): void {
  const { name, parse } = timeoutHeader(header);
  if (parse(header.get(name) ?? "") !== undefined) header.delete(name);
}

interface TimeoutHeader {
  readonly name: string;
  readonly parse: (value: string) => number | undefined;
}

function timeoutHeader(header: HeaderReader): TimeoutHeader {
  const isGrpc = header.get("Content-Type")?.toLowerCase().startsWith("application/grpc") === true;
  return isGrpc
    ? { name: "Grpc-Timeout", parse: parseGrpcTimeout }
    : { name: "Connect-Timeout-Ms", parse: parseConnectTimeout };
}

/** Undefined for a malformed limit. */
export function parseConnectTimeout(value: string): number | undefined {
  return /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

function parseGrpcTimeout(value: string): number | undefined {
  const [, amount, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  const unitMs = grpcUnitMs[unit ?? ""];
  return unitMs === undefined ? undefined : Number(amount) * unitMs;
}

/**
 * The user named by `Authorization: Basic base64("USER:")`; undefined without one, and for the empty name, which E2B's
 * clients send for the default user. Throws `unauthenticated` for a malformed one.
 */
export function basicUser(header: HeaderReader): string | undefined {
  const match = /^basic(?: +(.*))?$/i.exec(header.get("Authorization") ?? "");
  if (match === null) return undefined;
  const [user, ...password] = Buffer.from(match[1] ?? "", "base64")
    .toString()
    .split(":");
  if (user === "" && password.length > 0) return undefined;
  if (user !== undefined && password.length > 0) return user;
  throw new HoldfastError("unauthenticated", 'Authorization: Basic must be base64("USER:")');
}
