// A symbolic link to nothing at the place of a new file: the file is created where the link leads, as open(2) does. The
// kernel's own look-up could not be used: between two looks another program can put something else there, and the new
// owner would get that. Runs on a file thread.

import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { constants as system } from "node:os";
import { nameOf, O_PATH, readOpenLink } from "../../linux/index.ts";
import { errnoOf, pathError } from "../file-error.ts";
import type { Place } from "../threads/open-path.ts";

const S_ISVTX = 0o1000;
const S_IWOTH = 0o002;
const SLASH = 0x2f;

/** The absolute path to which the link leads; undefined if there is no link. Throws if the link may not be followed. */
export function danglingTarget(
  { folder, path }: Place,
  shownPath: Buffer,
): { readonly continueAt: Buffer } | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== undefined && nameOf(errno) === "ENOENT") return undefined;
    throw errno === undefined ? error : pathError("look up", shownPath, errno);
  }
  try {
    const link = fstatSync(fd);
    if (!link.isSymbolicLink()) return undefined;
    const above = readlinkSync(`/proc/self/fd/${folder.fd}`, "buffer");
    if (isForeign(link.uid, folder.fd)) throw pathError("follow the link", shownPath, system.errno.EACCES);
    const text = readOpenLink(fd);
    if (typeof text === "number") throw pathError("read the link", shownPath, -text);
    return {
      continueAt: text[0] === SLASH ? text : Buffer.concat([above, Buffer.from("/"), text]),
    };
  } finally {
    closeSync(fd);
  }
}

/** As fs.protected_symlinks: in a shared directory, only a link of one's own or of the directory's owner is followed. */
function isForeign(owner: number, folder: number): boolean {
  const { mode, uid } = fstatSync(folder);
  if ((mode & S_ISVTX) === 0 || (mode & S_IWOTH) === 0) return false;
  return owner !== uid && owner !== ownFileUid();
}

/** The id for files of this thread: the last of the four. */
function ownFileUid(): number | undefined {
  const status = readFileSync("/proc/thread-self/status", "utf8");
  const [, uid] = /^Uid:(?:\s+\d+){3}\s+(\d+)$/m.exec(status) ?? [];
  return uid === undefined ? undefined : Number(uid);
}
