// The user of a file request: found by name. Decides the home and the owner of new files, and with
// `--file-access user` the rights.

import { HoldfastError } from "../errors.ts";
import { lookupUser, ownUser, type User } from "../linux/index.ts";

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
  if (name === undefined) return { ...ownUser(), groups: process.getgroups?.() ?? [], isOwn: true };
  const user = await lookupUser(name);
  const isOwn = user.uid === process.getuid?.() && user.gid === process.getgid?.();
  if (isOwn || process.getuid?.() === 0) return { ...user, isOwn };
  throw new HoldfastError(
    "permission_denied",
    `only an agent that runs as root may act for another user: "${user.name}"`,
  );
}
