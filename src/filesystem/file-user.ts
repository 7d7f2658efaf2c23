// The user of a file request: found by name. Decides the home and the owner of new files, and with
// `--file-access user` the rights.

import { HoldfastError } from "../errors.ts";
import { isOwnIdentity, lookupUser, ownUser, type User } from "../linux/index.ts";

export interface FileUser extends User {
  /** All groups, the primary one included. */
  readonly groups: readonly number[];
  /** Whether this is the user of the agent. */
  readonly isOwn: boolean;
}

/**
 * `name` undefined: the user of the agent. Throws `unauthenticated` for a name that the system does not know,
 * `permission_denied` if this agent may not act for that user, and `unavailable` if the look-up takes too long.
 */
export async function findFileUser(name: string | undefined): Promise<FileUser> {
  if (name === undefined) return { ...ownUser(), ...ownGroups(), isOwn: true };
  const user = await lookupUser(name);
  if (isOwnIdentity(user)) return { ...user, ...ownGroups(), isOwn: true };
  if (process.getuid?.() === 0) return { ...user, isOwn: false };
  throw new HoldfastError(
    "permission_denied",
    `only an agent that runs as root may act for another user: "${user.name}"`,
  );
}

/** Those that the agent has, which need not be those of its user. */
function ownGroups(): Pick<FileUser, "gid" | "groups"> {
  return { gid: process.getgid?.() ?? ownUser().gid, groups: process.getgroups?.() ?? [] };
}
