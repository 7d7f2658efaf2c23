// The group of a new file in a directory with the setgid bit: that of the directory. The kernel gives it to files that are
// created there, but not to nameless files of another directory that get a name there. Runs on a file thread.

import { fchownSync, fstatSync } from "node:fs";
import { errnoOf } from "../file-error.ts";

const S_ISGID = 0o2000;

/** False if this user may not give the file that group; a file that is created in the directory gets it. */
export function inheritGroup(fd: number, folder: number): boolean {
  const { mode, gid } = fstatSync(folder);
  if ((mode & S_ISGID) === 0 || fstatSync(fd).gid === gid) return true;
  try {
    fchownSync(fd, -1, gid);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
