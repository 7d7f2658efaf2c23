// The directories above a new file, with the owner of what is made. Runs on a file thread.

import { closeSync, constants, mkdirSync, openSync, statSync } from "node:fs";
import { nameOf } from "../../linux/index.ts";
import { errnoOf, pathError } from "../file-error.ts";
import { giveTo, type Owner } from "../threads/basic-operations.ts";
import { parentOf } from "./target.ts";

const MODE = 0o755;

/** Existing directories stay as they are. */
export function makeParents(path: Buffer, owner: Owner | undefined): void {
  const missing: Buffer[] = [];
  for (let at = parentOf(path); ; at = parentOf(at)) {
    const stats = lookUp(at);
    if (stats?.isDirectory() === true) break;
    if (stats !== undefined) throw pathError("create", path, ENOTDIR);
    missing.push(at);
    if (at.length <= 1) break;
  }
  for (const directory of missing.reverse()) make(directory, owner);
}

const ENOTDIR = 20;

function lookUp(directory: Buffer): ReturnType<typeof statSync> {
  try {
    return statSync(directory, { throwIfNoEntry: false });
  } catch (error) {
    throw pathError("create a file in", directory, errnoOf(error) ?? 0);
  }
}

function make(directory: Buffer, owner: Owner | undefined): void {
  try {
    mkdirSync(directory, MODE);
  } catch (error) {
    const errno = errnoOf(error) ?? 0;
    if (nameOf(errno) === "EEXIST") return;
    throw pathError("make the directory", directory, errno);
  }
  if (owner === undefined) return;
  // By descriptor and without links: nobody can put another file in its place.
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  giveTo(fd, owner);
  closeSync(fd);
}
