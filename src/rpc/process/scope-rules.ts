// What a token's scope allows within an RPC that admission let through: the user of a new process, and the signals of a
// client that is not an admin.

import { HoldfastError } from "../../errors.ts";
import type { Grant } from "../../http/index.ts";
import { clip } from "../../text.ts";

/** Those that a keyboard and a window cause. */
const SIGNALS_OF_ATTACH: Readonly<Record<string, number>> = { SIGINT: 2, SIGWINCH: 28 };

/** Throws `permission_denied`. `user` is the one that the request names. */
export function refuseUser({ users }: Grant, user: string | undefined): void {
  if (users === undefined || (user !== undefined && users.has(user))) return;
  const names = [...users].join(", ");
  throw new HoldfastError(
    "permission_denied",
    user === undefined
      ? `the access token runs processes as ${names}; name one of them (Authorization: Basic)`
      : `the access token does not run processes as "${clip(user)}", only as ${names}`,
  );
}

/** Throws `permission_denied`. */
export function refuseSignal(grant: Grant, number: number): void {
  if (grant.covers("admin") || Object.values(SIGNALS_OF_ATTACH).includes(number)) return;
  const names = Object.keys(SIGNALS_OF_ATTACH).join(" and ");
  throw new HoldfastError(
    "permission_denied",
    `the scope attach allows the signals ${names}; signal ${number} needs admin`,
  );
}
