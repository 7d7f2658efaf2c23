// The directory in which a process starts: absolute, `~`, or relative to its user's home (the
// default).

import { accessSync, constants, statSync } from "node:fs";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";
import { absolute } from "./command-lookup.ts";

/**
 * The absolute path of a folder that exists now. Throws `invalid_argument` naming `cwd`. Without a
 * `cwd`, a user whose home is missing (common for system users) starts in `/`, as with login.
 */
export function resolveCwd(cwd: string | undefined, home: string): string {
  if (cwd === undefined || cwd === "") return problemWith(home) === undefined ? home : "/";
  const path = absolute(expandHome(cwd, home), home);
  const problem = problemWith(path);
  if (problem !== undefined) throw new HoldfastError("invalid_argument", `cwd "${cwd}" ${problem}`);
  return path;
}

function expandHome(cwd: string, home: string): string {
  return cwd === "~" || cwd.startsWith("~/") ? `${home}${cwd.slice(1)}` : cwd;
}

function problemWith(path: string): string | undefined {
  try {
    if (!statSync(path).isDirectory()) return "is not a directory";
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return errnoName(error) === "ENOENT" ? "does not exist" : `cannot be used: ${errnoName(error)}`;
  }
}
