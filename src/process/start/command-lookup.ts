// Finds the file a command names as a shell would: in the process's own PATH and from its own cwd.

import { accessSync, constants, statSync } from "node:fs";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";
import { absolute } from "./absolute-path.ts";

/** What execvp searches where there is no PATH at all. */
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** The kernel takes no variable of more than 128 KiB anyway, and searching a million folders would hold up everybody. */
const MAX_PATH_LENGTH = 128 * 1024;

/**
 * An absolute path of an executable file. `searchPath` is the process's PATH; its relative entries, and a relative
 * `cmd` with a slash, count from `cwd`, which is absolute. Throws `invalid_argument` for what is missing or cannot
 * be executed.
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
  // A file that is there but not executable says more than "not found", if no later folder has a better one.
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
