// Finds the file that a command names, as a shell does: in the PATH and from the cwd of the
// process.

import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";

/** The folders that execvp searches without a PATH. */
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * The kernel refuses longer variables, and searching a million folders would delay other requests.
 */
const MAX_PATH_LENGTH = 128 * 1024;

/**
 * `path` itself or below `folder`, as the kernel reads it. node:path's join and resolve remove `..`
 * by its letters, which is wrong behind a symbolic link.
 */
export function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : `${folder}/${path}`;
}

/**
 * The absolute path of an executable file. `searchPath` is the process's PATH. Its relative
 * entries, and a relative `cmd` with a slash, start at `cwd`, which is absolute. Throws
 * `invalid_argument` if the file is missing or cannot be executed.
 */
export function lookupCommand(cmd: string, searchPath: string | undefined, cwd: string): string {
  if (cmd.includes("/")) {
    const path = absolute(cmd, cwd);
    const problem = problemWith(path);
    if (problem !== undefined) throw new HoldfastError("invalid_argument", `command "${cmd}" ${problem}`);
    return path;
  }
  if ((searchPath?.length ?? 0) > MAX_PATH_LENGTH)
    throw new HoldfastError(
      "invalid_argument",
      `PATH of ${searchPath?.length} characters is too long to search`,
    );
  // Without a match, a file that is not executable explains more than "not found".
  let problem: string | undefined;
  for (const folder of (searchPath ?? DEFAULT_PATH).split(":")) {
    const path = `${absolute(folder, cwd)}/${cmd}`;
    const found = problemWith(path);
    if (found === undefined) return path;
    if (found !== MISSING) problem ??= found;
  }
  throw new HoldfastError(
    "invalid_argument",
    `command "${cmd}" ${problem ?? `not found in PATH "${searchPath ?? ""}"`}`,
  );
}

const MISSING = "does not exist";

function problemWith(path: string): string | undefined {
  try {
    if (statSync(path).isDirectory()) return "is a directory, not an executable";
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    const name = errnoName(error);
    if (name === "ENOENT" || name === "ENOTDIR") return MISSING;
    return name === "EACCES" ? "is not executable" : `cannot be executed: ${name}`;
  }
}
