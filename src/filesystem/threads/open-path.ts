// Opens the file or directory that a client's path names. Links of the file system are followed.
// The links of /proc that stand for open files and directories (/proc/PID/fd, cwd, root, exe) are
// not: on a thread of the agent they would lead to the files of other clients, and an upload would
// go to a file that another program has open.

import { closeSync, constants } from "node:fs";
import { AT_FDCWD, O_PATH, openResolved, RESOLVE } from "../../linux/index.ts";
import { type OpenFolder, openFolderOf, splitPath } from "./open-folder.ts";
import { SystemFailure, walkPath } from "./walk-path.ts";

const { O_DIRECTORY } = constants;
const O_CLOEXEC = 0o2000000;
const ENOSYS = 38;
const EPERM = 1;

export interface OpenPathOptions {
  /** An open directory at which a relative path begins. */
  readonly from?: number;
  /** Refuses a symbolic link anywhere in the path with ELOOP. */
  readonly refuseLinks?: boolean;
}

/** The caller closes the descriptor. Throws system errors; ELOOP for a link that is not followed. */
export function openPath(
  path: Uint8Array,
  flags: number,
  { from, refuseLinks = false }: OpenPathOptions = {},
): number {
  if (!canResolve()) return walkPath(from, path, flags, { refuseLinks });
  const resolve = RESOLVE.NO_MAGICLINKS | (refuseLinks ? RESOLVE.NO_SYMLINKS : 0);
  const fd = openResolved(from ?? AT_FDCWD, path, flags | O_CLOEXEC, 0, resolve);
  if (fd < 0) throw new SystemFailure(-fd);
  return fd;
}

/**
 * The directory of a path and the name in it: it stays this directory even if other programs swap
 * names meanwhile.
 */
export interface Place {
  readonly folder: OpenFolder;
  readonly name: Buffer;
  /** The path by which the kernel finds the name. */
  readonly path: Buffer;
}

/** Runs `use` with the place that `path` names; a last link is not followed. */
export function atPlace<T>(path: Uint8Array, use: (place: Place) => T, options?: OpenPathOptions): T {
  const { folder, name } = splitPath(Buffer.from(path));
  const fd = openPath(folder, O_PATH | O_DIRECTORY, options);
  try {
    const opened = openFolderOf(fd);
    return use({ folder: opened, name, path: opened.at(name) });
  } finally {
    closeSync(fd);
  }
}

let resolves: boolean | undefined;

/** False before Linux 5.6 and in sandboxes that do not know openat2; some filters of system calls say EPERM. */
export function canResolve(): boolean {
  if (resolves !== undefined) return resolves;
  const fd = openResolved(AT_FDCWD, Buffer.from("/"), O_PATH | O_CLOEXEC, 0, RESOLVE.NO_MAGICLINKS);
  if (fd >= 0) closeSync(fd);
  resolves = fd !== -ENOSYS && fd !== -EPERM;
  return resolves;
}
