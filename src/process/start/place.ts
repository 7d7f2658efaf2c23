// Where a process starts and where its command is searched, computed from texts alone. The launcher
// does the look-ups, with the rights of the user.

import { isAbsolute } from "node:path";
import { HoldfastError } from "../../errors.ts";

/** Each entry costs the launcher a system call; more is a mistake or an attack. */
const MAX_PATH_ENTRIES = 256;

export interface StartDirectory {
  /** Absolute. */
  readonly cwd: string;
  /** The cwd if `cwd` cannot be entered. */
  readonly fallback: string | undefined;
}

/**
 * Absolute, `~`, or relative to `home` (the default). A user whose home is missing (common for
 * system users) starts in `/`, as with login, unless the client names a cwd.
 */
export function startDirectory(cwd: string | undefined, home: string): StartDirectory {
  if (cwd === undefined || cwd === "") return { cwd: home === "" ? "/" : home, fallback: "/" };
  if (cwd === "~" || cwd.startsWith("~/")) return { cwd: `${home}${cwd.slice(1)}`, fallback: undefined };
  // Not joined by node:path, which removes `..` by its letters: wrong behind a symbolic link.
  return { cwd: isAbsolute(cwd) ? cwd : `${home}/${cwd}`, fallback: undefined };
}

/** Throws `invalid_argument` if `command` is searched in a PATH with too many entries. */
export function checkSearchPath(command: string, searchPath: string | undefined): void {
  if (command.includes("/") || searchPath === undefined) return;
  let entries = 1;
  for (let at = searchPath.indexOf(":"); at >= 0; at = searchPath.indexOf(":", at + 1)) entries++;
  if (entries > MAX_PATH_ENTRIES)
    throw new HoldfastError(
      "invalid_argument",
      `PATH has ${entries} entries; at most ${MAX_PATH_ENTRIES} are searched for "${command}": shorten it or give a path`,
    );
}
