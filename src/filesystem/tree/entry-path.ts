// Names and link targets in archives: decides from the text alone which may be unpacked.

import { HoldfastError } from "../../errors.ts";
import { clip } from "../../text.ts";

/** The relative path of an entry; empty for the directory itself. Throws `invalid_argument` for one that leads out. */
export function entryPath(name: string): string {
  if (name.includes("\0")) throw refused(name, "contains a NUL character");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refused(name, 'contains ".."');
  return parts.join("/");
}

/**
 * Whether a symbolic link at `path` can lead out of the tree. It cannot if its target goes up first, at most to the root,
 * and then only down: each part of the way is then below the root, also through other links of this kind.
 */
export function canLeadOut(path: string, target: string): boolean {
  if (target.startsWith("/")) return true;
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const ups = parts.findIndex((part) => part !== "..");
  const count = ups < 0 ? parts.length : ups;
  return count > path.split("/").length - 1 || parts.slice(count).includes("..");
}

function refused(name: string, problem: string): HoldfastError {
  return new HoldfastError("invalid_argument", `the name "${clip(name)}" in the archive ${problem}`);
}
