// The properties of one file, as answers show them.

import { type BigIntStats, closeSync, fstatSync, lstatSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { groupName, O_PATH, userName } from "../../linux/index.ts";
import { errnoOf } from "../file-error.ts";
import { openPath, type Place } from "../threads/open-path.ts";
import { readMetadata } from "./metadata.ts";
import { permissionText } from "./permission-text.ts";

/** A link has the type of its target; `link`: the target does not exist. `other`: a device, FIFO or socket. */
export type EntryType = "file" | "directory" | "link" | "other";

export interface Entry {
  readonly name: string;
  readonly type: EntryType;
  readonly path: string;
  readonly size: number;
  /** The nine permission bits; those of the target for a link, 0 for one without a target. */
  readonly mode: number;
  readonly permissions: string;
  readonly owner: string;
  readonly group: string;
  readonly modifiedNs: bigint;
  readonly symlinkTarget: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

const E = constants.errno;
const TYPE_BITS = 0o170000;
const S_IFLNK = 0o120000;

/** `shownPath` and `name` are what the answer shows. Throws system errors. */
export function readEntry(place: Place, shownPath: string, name: string): Entry {
  return toEntry(lstatSync(place.path, { bigint: true }), place, shownPath, name);
}

/** Undefined if the entry that `read` reads is gone. */
export function orGone(read: () => Entry): Entry | undefined {
  try {
    return read();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === E.ENOENT || errno === E.ENOTDIR) return undefined;
    throw error;
  }
}

function toEntry(stats: BigIntStats, place: Place, shownPath: string, name: string): Entry {
  const mode = Number(stats.mode);
  const isLink = (mode & TYPE_BITS) === S_IFLNK;
  const target = isLink ? targetOf(place) : undefined;
  const reached = isLink ? target?.mode : mode;
  return {
    name,
    path: shownPath,
    type: reached === undefined ? "link" : typeOf(reached),
    size: Number(stats.size),
    mode: (reached ?? 0) & 0o777,
    permissions: permissionText(mode),
    owner: userName(Number(stats.uid)),
    group: groupName(Number(stats.gid)),
    modifiedNs: stats.mtimeNs,
    symlinkTarget: isLink ? (target?.path ?? shownPath) : undefined,
    metadata: isLink ? (target?.metadata ?? {}) : readMetadata(place.path),
  };
}

interface Target {
  readonly mode: number;
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Undefined for a link that leads nowhere or is not followed, for any reason. */
function targetOf({ folder, name }: Place): Target | undefined {
  let fd: number;
  try {
    fd = openPath(name, O_PATH, { from: folder.fd });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  try {
    const reached = Buffer.from(`/proc/self/fd/${fd}`);
    const { mode } = fstatSync(fd);
    return { mode, path: readlinkSync(reached, "buffer").toString(), metadata: readMetadata(reached) };
  } finally {
    closeSync(fd);
  }
}

function typeOf(mode: number): EntryType {
  switch (mode & TYPE_BITS) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "directory";
    default:
      return "other";
  }
}
