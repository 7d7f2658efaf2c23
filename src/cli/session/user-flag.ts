// The user of a command as docker writes it: NAME, UID, NAME:GROUP or UID:GID.

import { InvalidArgumentError } from "commander";
import type { StartRequest } from "../../client/index.ts";

/** The fields of a StartRequest. */
export type UserFields = Pick<StartRequest, "user" | "uid" | "group">;

/** 2^32-1 means "no change" to the kernel. */
const MAX_ID = 0xfffffffe;

/** A number is a uid, also if a user has that name. */
export function readUser(text: string): UserFields {
  const [user = "", group, ...more] = text.split(":");
  if (user === "" || group === "" || more.length > 0)
    throw new InvalidArgumentError(
      "A user is NAME, UID, NAME:GROUP or UID:GID, such as nobody or 1000:1000.",
    );
  const inGroup = group === undefined ? {} : { group };
  if (!/^\d+$/.test(user)) return { user, ...inGroup };
  if (Number(user) > MAX_ID) throw new InvalidArgumentError(`The highest uid is ${MAX_ID}.`);
  return { uid: Number(user), ...inGroup };
}
