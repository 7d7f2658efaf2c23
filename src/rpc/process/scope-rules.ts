// What a token's scope allows within an RPC that admission let through: the user of a new process, and the signals of a
// client that is not an admin.

import { HoldfastError } from "../../errors.ts";
import type { Grant } from "../../http/index.ts";
import { clip } from "../../text.ts";

/** Those that a keyboard and a window cause. */
const SIGNALS_OF_ATTACH: Readonly<Record<string, number>> = { SIGINT: 2, SIGWINCH: 28 };

/** What a Start asks for about the user of its process. `user` comes from the headers. */
export interface AskedUser {
  readonly user: string | undefined;
  readonly uid?: number | undefined;
  readonly group?: string | undefined;
}

/** Throws `permission_denied`. */
export function refuseUser({ users }: Grant, { user, uid, group }: AskedUser): void {
  if (users === undefined) return;
  const names = [...users].join(", ");
  // A uid takes the place of the name, and a group gives rights that the user does not have.
  const isNamed = user !== undefined && users.has(user) && uid === undefined;
  if (isNamed && group === undefined) return;
  throw new HoldfastError("permission_denied", refusalOf(names, { user, uid, group }));
}

function refusalOf(names: string, { user, uid, group }: AskedUser): string {
  if (uid !== undefined)
    return `the access token does not run processes by uid (${uid}); name one of ${names} (Authorization: Basic)`;
  if (group !== undefined)
    return `the access token does not run processes in the group "${clip(group)}"; leave the group out`;
  if (user === undefined)
    return `the access token runs processes as ${names}; name one of them (Authorization: Basic)`;
  return `the access token does not run processes as "${clip(user)}", only as ${names}`;
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
