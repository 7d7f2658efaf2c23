// The paths of requests: from the client's text to the absolute path that the kernel gets. Computed
// from the text alone; links and `..` are the kernel's. Refuses texts that name no file.

import { clip } from "../text.ts";
import { FileError } from "./file-error.ts";
import type { FileUser } from "./file-user.ts";

/** PATH_MAX without the NUL. */
const MAX_PATH_BYTES = 4095;

/**
 * Absolute, `~`, `~/…`, or relative to the home of `user`. Empty: `defaultWorkdir`, or the home
 * without one. An absolute path stays as it is: `//` and a trailing `/` also. Throws
 * `invalid_argument`.
 */
export function resolvePath(path: string, user: FileUser, defaultWorkdir: string | undefined): string {
  if (path.includes("\0")) throw refusal(path, "contains a NUL character");
  const resolved = absolute(path, user.home === "" ? "/" : user.home, defaultWorkdir);
  if (Buffer.byteLength(resolved) > MAX_PATH_BYTES)
    throw refusal(path, `is longer than ${MAX_PATH_BYTES} bytes`);
  return resolved;
}

function absolute(path: string, home: string, defaultWorkdir: string | undefined): string {
  if (path === "")
    return defaultWorkdir === undefined || defaultWorkdir === "" ? home : absolute(defaultWorkdir, home, "");
  if (path.startsWith("/")) return path;
  if (path === "~" || path.startsWith("~/")) return `${home}${path.slice(1)}`;
  if (path.startsWith("~"))
    throw refusal(path, "names another user's home; give an absolute path, or ~/ for your own home");
  return home.endsWith("/") ? `${home}${path}` : `${home}/${path}`;
}

/**
 * The same for a path that is to be removed or moved, where a mistake is expensive: refuses the
 * empty path, `/`, `~`, and paths that end in `.` or `..`.
 */
export function resolveExpendable(path: string, user: FileUser): string {
  if (path === "") throw refusal(path, "is empty; name the file or directory");
  if (/^~\/*$/.test(path)) throw refusal(path, "is the whole home; give its absolute path if you mean it");
  const resolved = resolvePath(path, user, undefined);
  if (/^\/+$/.test(resolved)) throw refusal(path, "is the root directory");
  if (/(?:^|\/)\.\.?\/*$/.test(resolved)) throw refusal(path, "ends in . or ..; name the directory itself");
  return resolved;
}

/** As Go's filepath.Clean: for answers only, never for the kernel. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function refusal(path: string, problem: string): FileError {
  return new FileError("invalid_argument", `path "${clip(path)}" ${problem}`);
}
