// What an archive leaves out, or has not completely, with the reasons: the first ones by name, and how many there are.

import { nameOf } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { errnoOf, FileError, problemOf } from "../file-error.ts";

export interface SkippedEntry {
  readonly name: string;
  readonly reason: string;
}

export interface SkippedEntries {
  /** The first ones. */
  readonly skipped: SkippedEntry[];
  skippedCount: number;
}

const MAX_NAMED = 100;

export function noteSkipped(entries: SkippedEntries, name: string, reason: string): void {
  entries.skippedCount++;
  if (entries.skipped.length < MAX_NAMED) entries.skipped.push({ name: clip(name), reason });
}

/** Swapped for something else since its directory was read. */
const gone = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"]);

/**
 * Why one entry cannot be read, although the others may be; undefined for an error that concerns all of them, such as too many
 * open files, or a file system that does not answer.
 */
export function reasonOf(error: unknown): string | undefined {
  const errno = error instanceof FileError ? error.errno : errnoOf(error);
  if (errno === undefined || errno === 0) return undefined;
  if (gone.has(nameOf(errno))) return REMOVED;
  const { code, problem } = problemOf(errno);
  return code === "resource_exhausted" ? undefined : problem;
}

export const REMOVED = "it was removed or replaced meanwhile";
