// Opens paths below a directory that is open already, without any link on the way: even if other
// programs swap names meanwhile, nothing outside the directory is reached. Runs on a file thread.

import { closeSync, constants } from "node:fs";
import { openResolved, RESOLVE } from "../../linux/index.ts";
import { pathError, withPath } from "../file-error.ts";
import { canResolve } from "../threads/open-path.ts";
import { walkPath } from "../threads/walk-path.ts";

const O_CLOEXEC = 0o2000000;

/** `path` is relative and has no `..`; empty means the directory itself. The caller closes the descriptor. */
export function openBelow(root: number, path: Uint8Array, flags: number): number {
  const asked = path.length === 0 ? Buffer.from(".") : path;
  if (!canResolve()) return withPath("open", path, () => walkPath(root, asked, flags, { refuseLinks: true }));
  const fd = openResolved(root, asked, flags | O_CLOEXEC, 0, RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS);
  if (fd < 0) throw pathError("open", path, -fd);
  return fd;
}

/** Runs `use` with the open directory above `path` and the name in it. */
export function inParent<T>(root: number, path: Buffer, use: (place: Buffer, folder: number) => T): T {
  const end = path.lastIndexOf("/");
  const folder = openBelow(
    root,
    path.subarray(0, Math.max(end, 0)),
    constants.O_RDONLY | constants.O_DIRECTORY,
  );
  try {
    return use(inFolder(folder, path.subarray(end + 1)), folder);
  } finally {
    closeSync(folder);
  }
}

/** A path through the descriptor, which no rename of directories changes. */
export function inFolder(folder: number, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${folder}/`), name]);
}
