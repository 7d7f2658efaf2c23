// Looks at the target of an upload before its content arrives, so that a wrong path is refused
// without a transfer. Runs on a file thread.

import { nameOf } from "../../linux/index.ts";
import { errnoOf, FileError, pathError } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { NO_FILE } from "./place.ts";
import { assertFileName, type Following, withFileTarget } from "./target.ts";
import { versionIn } from "./version.ts";

export interface TargetState {
  readonly version: string;
  readonly modifiedMs: number;
  /** Of the file; undefined if there is none. */
  readonly identity: string | undefined;
}

/** Throws if no file can be there. Changes nothing. */
export function targetState(_context: OperationContext, path: Uint8Array, following: Following): TargetState {
  assertFileName(Buffer.from(path));
  try {
    return withFileTarget(Buffer.from(path), following, (_fd, stats) => ({
      version: versionIn(stats),
      modifiedMs: Number(stats.mtimeMs),
      identity: `${stats.dev}-${stats.ino}`,
    }));
  } catch (error) {
    const errno = error instanceof FileError ? undefined : errnoOf(error);
    if (errno === undefined) throw error;
    if (nameOf(errno) === "ENOENT") return { version: NO_FILE, modifiedMs: 0, identity: undefined };
    throw pathError("write", path, errno);
  }
}
