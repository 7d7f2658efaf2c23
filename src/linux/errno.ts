// The only owner of errno: turns it into a HoldfastError at the system call, once, and reads its
// name from Node's errors.

import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { type ErrorCode, HoldfastError } from "../errors.ts";

const E = constants.errno;

/**
 * Resources that ran out, and mistakes of the request. Everything else is a bug of the agent:
 * `internal`.
 */
const codes = new Map<number, ErrorCode>([
  ...[E.EAGAIN, E.EMFILE, E.ENFILE, E.ENOMEM, E.ENOSPC].map((errno): [number, ErrorCode] => [
    errno,
    "resource_exhausted",
  ]),
  ...[
    ...[E.ENOENT, E.EACCES, E.ENOEXEC, E.E2BIG, E.ENOTDIR, E.ELOOP, E.ENAMETOOLONG],
    ...[E.EINVAL, E.EIO],
  ].map((errno): [number, ErrorCode] => [errno, "invalid_argument"]),
  // A retry may succeed.
  ...[E.ETXTBSY, E.ESTALE, E.ENOTCONN, E.ETIMEDOUT].map((errno): [number, ErrorCode] => [
    errno,
    "unavailable",
  ]),
  [E.EPERM, "permission_denied"],
]);

/** The errors for which libuv, and so Node, has no text. */
const unnamed = new Map<number, readonly [name: string, text: string]>([
  [E.EDQUOT, ["EDQUOT", "disk quota exceeded"]],
  [E.ENOEXEC, ["ENOEXEC", "exec format error"]],
  [E.ESTALE, ["ESTALE", "stale file handle"]],
]);

/** `internal` for an errno that only a bug of the agent can cause. */
export function codeOf(errno: number): ErrorCode {
  return codes.get(errno) ?? "internal";
}

/** `EACCES` for 13. */
export function nameOf(errno: number): string {
  return describe(errno)[0];
}

/** `what` follows "cannot": `open a pipe`, `execute /bin/x`. */
export function systemError(what: string, errno: number): HoldfastError {
  const [name, text] = describe(errno);
  return new HoldfastError(codeOf(errno), `cannot ${what}: ${text} (${name})`);
}

function describe(errno: number): readonly [name: string, text: string] {
  return getSystemErrorMap().get(-errno) ?? unnamed.get(errno) ?? [`errno ${errno}`, "unknown error"];
}

/** The same for an error that a function of Node threw. */
export function fromNodeError(what: string, error: unknown): HoldfastError {
  const errno = error instanceof Error && "errno" in error ? error.errno : undefined;
  if (typeof errno === "number") return systemError(what, Math.abs(errno));
  return new HoldfastError("internal", `cannot ${what}: ${String(error)}`, { cause: error });
}

/**
 * The name of the errno of an error that Node threw, for example `EAGAIN`; undefined for anything
 * else.
 */
export function errnoName(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
