// The target of an upload: a regular file, or a free name.

import { type BigIntStats, closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { constants as system } from "node:os";
import { O_PATH } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { FileError, pathText } from "../file-error.ts";
import { openPath } from "../threads/open-path.ts";
import { SystemFailure } from "../threads/walk-path.ts";

const SLASH = 0x2f;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

/** Throws for directories, devices, FIFOs and sockets: access would block, or do something else than store and read. */
function assertFileTarget({ mode }: Pick<Stats, "mode">, path: Uint8Array): void {
  const type = mode & S_IFMT;
  if (type === S_IFREG) return;
  const kind = type === S_IFDIR ? "is a directory" : "is not a regular file";
  throw new FileError("invalid_argument", `path '${clip(pathText(path))}' ${kind}`);
}

/** Which symbolic links of a path are followed: all, none at its end, or none. */
export type Following = "all" | "not-last" | "none";

const S_IFLNK = 0o120000;

/**
 * Runs `use` with a descriptor of the regular file that `path` names, opened with O_PATH: nothing
 * waits for a FIFO, and nothing is done to a device. Throws system errors, and a FileError for
 * anything but a regular file.
 */
export function withFileTarget<T>(
  path: Buffer,
  following: Following,
  use: (fd: number, stats: BigIntStats) => T,
): T {
  const flags = following === "not-last" ? O_PATH | constants.O_NOFOLLOW : O_PATH;
  const fd = openPath(path, flags, { refuseLinks: following === "none" });
  try {
    const stats = fstatSync(fd, { bigint: true });
    const mode = Number(stats.mode);
    if ((mode & S_IFMT) === S_IFLNK) throw new SystemFailure(system.errno.ELOOP);
    assertFileTarget({ mode }, path);
    return use(fd, stats);
  } finally {
    closeSync(fd);
  }
}

/** Opens a regular file. The caller closes it. */
export function openFileTarget(path: Buffer, access: number, following: Following = "all"): number {
  const flags = access | constants.O_NONBLOCK | constants.O_NOCTTY;
  // Through the descriptor: the file that was looked at, even if its name now leads elsewhere.
  return withFileTarget(path, following, (fd) => openSync(`/proc/self/fd/${fd}`, flags));
}

/** Before anything is created: a name that can only be a directory. */
export function assertFileName(path: Buffer): void {
  const name = baseOf(path).toString("latin1");
  if (name !== "" && name !== "." && name !== "..") return;
  throw new FileError("invalid_argument", `path '${clip(pathText(path))}' is a directory`);
}

export function parentOf(path: Buffer): Buffer {
  const end = path.lastIndexOf(SLASH);
  return end <= 0 ? Buffer.from("/") : path.subarray(0, end);
}

export function baseOf(path: Buffer): Buffer {
  return path.subarray(path.lastIndexOf(SLASH) + 1);
}
