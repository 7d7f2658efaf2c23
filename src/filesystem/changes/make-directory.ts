// Makes directories with everything missing above them, and gives them to their owner.

import { closeSync, constants, mkdirSync, openSync, statSync } from "node:fs";
import { constants as system } from "node:os";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import { giveTo, type Owner } from "../threads/basic-operations.ts";
import { splitPath } from "../threads/open-folder.ts";
import type { OperationContext } from "../threads/operation-context.ts";

const E = system.errno;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** Throws `already_exists` if `path` is a directory, also through a link, and `invalid_argument` if it is something else. */
export function makeDirectory(context: OperationContext, path: Buffer, owner: Owner | undefined): void {
  const found = kindOf(path);
  if (found === "directory")
    throw new FileError("already_exists", `directory "${pathText(path)}" exists`, E.EEXIST);
  if (found === "other")
    throw new FileError("invalid_argument", `"${pathText(path)}" exists and is not a directory`, E.EEXIST);
  makeMissing(context, path, owner, path);
}

/** What exists already stays as it is. `asked` is the path that messages name. */
export function makeMissing(
  context: OperationContext,
  path: Buffer,
  owner: Owner | undefined,
  asked: Buffer,
): void {
  // From the top down, without recursion: a path has up to 2,000 names.
  const missing: Buffer[] = [];
  for (let at = path; ; at = splitPath(at).folder) {
    context.step();
    const kind = kindOf(at);
    if (kind === "directory") break;
    if (kind === "other")
      throw new FileError(
        "invalid_argument",
        `cannot make the directory "${pathText(asked)}": "${pathText(at)}" is not a directory`,
        E.ENOTDIR,
      );
    missing.push(at);
    if (at.length <= 1) break;
  }
  for (const folder of missing.reverse()) {
    context.step();
    makeOne(folder, owner, asked);
  }
}

function makeOne(path: Buffer, owner: Owner | undefined, asked: Buffer): void {
  try {
    mkdirSync(path, 0o755);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    // Another program made it meanwhile, or the path goes through `..` of a new directory.
    if (errno === E.EEXIST && kindOf(path) === "directory") return;
    throw pathError("make the directory", asked, errno);
  }
  if (owner === undefined) return;
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    // Another program removed or replaced it already.
    if (errnoOf(error) === undefined) throw error;
    return;
  }
  try {
    giveTo(fd, owner);
  } finally {
    closeSync(fd);
  }
}

/** Undefined for a path without a file, also if a part of it is a file. */
function kindOf(path: Buffer): "directory" | "other" | undefined {
  try {
    return statSync(path).isDirectory() ? "directory" : "other";
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === E.ENOENT || errno === E.ENOTDIR) return undefined;
    return withPath("look up", path, () => {
      throw error;
    });
  }
}
