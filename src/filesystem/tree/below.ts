// Opens paths below a directory that is open already, without any link on the way: whatever other programs swap meanwhile,
// nothing outside the directory is reached. Runs on a file thread.

import { closeSync, constants, openSync } from "node:fs";
import { constants as os } from "node:os";
import { openResolved, RESOLVE } from "../../linux/index.ts";
import { errnoOf, pathError } from "../file-error.ts";

const { ENOSYS } = os.errno;
const O_CLOEXEC = 0o2000000;

/** `path` is relative and has no `..`; empty means the directory itself. The caller closes the descriptor. */
export function openBelow(root: number, path: Uint8Array, flags: number, mode = 0): number {
  const asked = path.length === 0 ? Buffer.from(".") : path;
  const fd = openResolved(root, asked, flags | O_CLOEXEC, mode, RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS);
  if (fd >= 0) return fd;
  if (fd !== -ENOSYS) throw pathError("open", path, -fd);
  return openStepByStep(root, Buffer.from(asked), flags, mode);
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

/** For kernels and sandboxes without openat2: one directory after the other. */
function openStepByStep(root: number, path: Buffer, flags: number, mode: number): number {
  const names = path.toString("latin1").split("/");
  let folder = root;
  try {
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const stepFlags = isLast ? flags : constants.O_RDONLY | constants.O_DIRECTORY;
      const place = inFolder(folder, Buffer.from(name, "latin1"));
      const next = openSync(place, stepFlags | constants.O_NOFOLLOW, mode);
      if (folder !== root) closeSync(folder);
      folder = next;
    }
    return folder;
  } catch (error) {
    if (folder !== root) closeSync(folder);
    const errno = errnoOf(error);
    throw errno === undefined ? error : pathError("open", path, errno);
  }
}
