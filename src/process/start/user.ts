// The user of a process: found by name, and whether this agent may start processes as that user.

import { HoldfastError } from "../../errors.ts";
import {
  type Identity,
  isOwnIdentity,
  lookupGroup,
  lookupUid,
  lookupUser,
  ownUser,
  type User,
} from "../../linux/index.ts";

export interface ProcessUser extends User {
  /** The identity that the launcher has to set; undefined for the user of the agent. */
  readonly identity: Identity | undefined;
}

/** The user of this agent, with the identity that the agent already has. */
export function ownProcessUser(): ProcessUser {
  return { ...ownUser(), identity: undefined };
}

/**
 * A user by name (text) or by uid. With `group`, by name or number, that is the only group. Throws
 * `unauthenticated` for a name that the system does not know, `permission_denied` if this agent may
 * not become that user, and `unavailable` if the look-up takes too long.
 */
export async function findUser(asked: string | number, group?: string): Promise<ProcessUser> {
  const { groups, ...user } = await (typeof asked === "number" ? lookupUid(asked) : lookupUser(asked));
  if (group !== undefined) return inGroup(user, await lookupGroup(group));
  if (isOwnIdentity(user)) return { ...user, gid: process.getgid?.() ?? user.gid, identity: undefined };
  if (process.getuid?.() !== 0)
    throw new HoldfastError(
      "permission_denied",
      `only root may run commands as another user: "${user.name}"`,
    );
  return { ...user, identity: { uid: user.uid, gid: user.gid, groups } };
}

/** Another group than that of the user: only root may choose it. */
function inGroup(user: User, gid: number): ProcessUser {
  if (process.getuid?.() !== 0)
    throw new HoldfastError(
      "permission_denied",
      `only root may run commands in another group: user "${user.name}", group ${gid}`,
    );
  return { ...user, gid, identity: { uid: user.uid, gid, groups: [gid] } };
}

/** Throws what a start as `name` would throw because of its user. */
export async function checkUser(name: string): Promise<void> {
  await findUser(name);
}
