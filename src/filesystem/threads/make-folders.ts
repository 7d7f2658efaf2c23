// Makes a directory and the missing ones above it, and gives them to the owner. Goes down from one
// open directory to the next: other programs cannot turn a made directory into another one before
// it gets its owner.

import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { constants as system } from "node:os";
import { O_PATH } from "../../linux/index.ts";
import { errnoOf, pathError } from "../file-error.ts";
import { giveTo, type Owner } from "./basic-operations.ts";
import { isNewFolder, openFolderOf, splitPath } from "./open-folder.ts";
import { type OpenPathOptions, openPath } from "./open-path.ts";

const E = system.errno;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const MODE = 0o755;

export interface FolderRequest {
  readonly path: Buffer;
  /** The owner of new directories; undefined if that follows from the rights with which they are made. */
  readonly owner: Owner | undefined;
  step(): void;
  /** The error for something on the way that is not a directory. */
  notDirectory(at: Buffer): Error;
  readonly options?: OpenPathOptions;
}

/** Existing directories stay as they are. The caller closes the descriptor of the directory. */
export function openMadeFolder(request: FolderRequest): number {
  const { path, owner, step, notDirectory } = request;
  const { fd, missing } = nearestFolder(request);
  let folder = fd;
  try {
    for (const at of missing) {
      step();
      const next = makeIn(folder, splitPath(at).name, owner, path, () => notDirectory(at));
      closeSync(folder);
      folder = next;
    }
    return folder;
  } catch (error) {
    closeSync(folder);
    throw error;
  }
}

/** The nearest directory that exists, and the paths below it that do not, from the top down. */
function nearestFolder({ path, step, notDirectory, options }: FolderRequest): {
  readonly fd: number;
  readonly missing: readonly Buffer[];
} {
  const missing: Buffer[] = [];
  let isFile = false;
  // Without recursion: a path has up to 2,000 names.
  for (let at = path; ; at = splitPath(at).folder) {
    step();
    let fd: number;
    try {
      fd = openPath(at, O_PATH | O_DIRECTORY, options);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== E.ENOENT && errno !== E.ENOTDIR)
        throw errno === undefined ? error : pathError("look up", at, errno);
      // Also for a path below a file.
      isFile = errno === E.ENOTDIR;
      missing.push(at);
      if (at.length <= 1) throw pathError("look up", at, errno);
      continue;
    }
    if (!isFile) return { fd, missing: missing.reverse() };
    closeSync(fd);
    throw notDirectory(missing.at(-1) ?? path);
  }
}

function makeIn(
  folder: number,
  name: Buffer,
  owner: Owner | undefined,
  asked: Buffer,
  notDirectory: () => Error,
): number {
  const place = openFolderOf(folder).at(name);
  const sinceMs = Date.now();
  try {
    mkdirSync(place, MODE);
  } catch (error) {
    const errno = errnoOf(error);
    // Another program made it meanwhile, or the path goes through `..` of a new directory.
    if (errno === E.EEXIST) return openIn(folder, name, notDirectory);
    throw errno === undefined ? error : pathError("make the directory", asked, errno);
  }
  let fd: number;
  try {
    fd = openSync(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    // Another program replaced it already.
    return openIn(folder, name, notDirectory);
  }
  if (owner !== undefined && isNewFolder(fd, sinceMs)) giveTo(fd, owner);
  return fd;
}

function openIn(folder: number, name: Buffer, notDirectory: () => Error): number {
  try {
    return openPath(name, O_PATH | O_DIRECTORY, { from: folder });
  } catch (error) {
    throw errnoOf(error) === undefined ? error : notDirectory();
  }
}
