// Paths of the sandbox, and the order of a folder.

import type { FileEntry } from "../../src/client/files/types.ts";

export function parentOf(path: string): string {
  if (!path.startsWith("/")) return "/";
  const end = path.replace(/\/+$/, "").lastIndexOf("/");
  return end <= 0 ? "/" : path.slice(0, end);
}

export function joinPath(folder: string, name: string): string {
  return name.startsWith("/") ? name : `${folder.replace(/\/+$/, "")}/${name}`;
}

/** Folders first, then by name. */
export function sortEntries(entries: readonly FileEntry[]): FileEntry[] {
  const rank = ({ kind }: FileEntry) => (kind === "directory" ? 0 : 1);
  return [...entries].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}
