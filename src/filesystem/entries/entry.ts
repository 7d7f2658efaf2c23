// What is known of one file, as answers show it.

import { type BigIntStats, lstatSync, realpathSync, statSync } from "node:fs";
import { constants } from "node:os";
import { groupName, userName } from "../../linux/index.ts";
import { errnoOf } from "../file-error.ts";
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

/** `path` is what the kernel gets, `shownPath` and `name` what the answer shows. Throws system errors. */
export function readEntry(path: Buffer, shownPath: string, name: string): Entry {
  return toEntry(lstatSync(path, { bigint: true }), path, shownPath, name);
}

/** Undefined if it is gone. */
export function readEntryOr(path: Buffer, shownPath: string, name: string): Entry | undefined {
  try {
    return readEntry(path, shownPath, name);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === E.ENOENT || errno === E.ENOTDIR) return undefined;
    throw error;
  }
}

function toEntry(stats: BigIntStats, path: Buffer, shownPath: string, name: string): Entry {
  const mode = Number(stats.mode);
  const isLink = (mode & TYPE_BITS) === S_IFLNK;
  const target = isLink ? targetOf(path) : undefined;
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
    metadata: reached === undefined ? {} : readMetadata(path),
  };
}

interface Target {
  readonly mode: number;
  readonly path: string;
}

/** Undefined for a link that leads nowhere, for whatever reason. */
function targetOf(path: Buffer): Target | undefined {
  try {
    const mode = Number(statSync(path, { bigint: true }).mode);
    return { mode, path: realpathSync.native(path, "buffer").toString() };
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
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
