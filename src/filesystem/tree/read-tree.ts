// Reads a directory tree to send it: one directory or one file at a time. Runs on a file thread.

import { closeSync, constants, fstatSync, lstatSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { dataExtents, type Extent, nameOf } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, withPath } from "../file-error.ts";
import { openPath } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { inFolder, openBelow } from "./below.ts";

export type TreeEntryKind = "directory" | "file" | "symlink" | "other";

export interface TreeEntry {
  readonly name: Uint8Array;
  readonly kind: TreeEntryKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly bytes: number;
  readonly mtimeMs: number;
  /** The same for all names of one file; undefined for a file with one name. */
  readonly linked: string | undefined;
  /** The text of a symbolic link. */
  readonly target: Uint8Array | undefined;
}

export interface TreeRoot {
  /** The receiver closes it. */
  readonly fd: number;
  readonly entry: TreeEntry;
}

const S_IFMT = 0o170000;
const kinds = new Map<number, TreeEntryKind>([
  [0o040000, "directory"],
  [0o100000, "file"],
  [0o120000, "symlink"],
]);

export function openTree(_context: OperationContext, path: Uint8Array): TreeRoot {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  try {
    const fd = openPath(path, flags);
    return { fd, entry: describe(Buffer.alloc(0), inFolder(fd, Buffer.from("."))) };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (nameOf(errno) === "ENOTDIR")
      throw new FileError("invalid_argument", `"${Buffer.from(path).toString()}" is not a directory`, 0);
    throw pathError("read", path, errno);
  }
}

/**
 * In the order of their bytes. An entry that vanishes meanwhile is left out. Undefined if the directory vanished, or is none
 * any more.
 */
export function readTreeFolder(
  context: OperationContext,
  root: number,
  path: Uint8Array,
): TreeEntry[] | undefined {
  const folder = openUnlessGone(root, path, constants.O_RDONLY | constants.O_DIRECTORY);
  if (folder === undefined) return undefined;
  try {
    const place = `/proc/self/fd/${folder}`;
    const names = withPath("list", path, () => readdirSync(place, { encoding: "buffer" }));
    names.sort(Buffer.compare);
    return names.flatMap((name) => {
      context.step();
      try {
        return [describe(name, inFolder(folder, name))];
      } catch (error) {
        if (nameOf(errnoOf(error) ?? 0) === "ENOENT") return [];
        throw error;
      }
    });
  } finally {
    closeSync(folder);
  }
}

function describe(name: Buffer, place: Buffer): TreeEntry {
  const stats = lstatSync(place);
  const kind = kinds.get(stats.mode & S_IFMT) ?? "other";
  return {
    name,
    kind,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    bytes: kind === "file" ? stats.size : 0,
    mtimeMs: stats.mtimeMs,
    linked: kind === "file" && stats.nlink > 1 ? `${stats.dev}-${stats.ino}` : undefined,
    target: kind === "symlink" ? readlinkSync(place, "buffer") : undefined,
  };
}

export interface TreeFile {
  readonly bytes: number;
  /** The whole content of a small file; then there is no descriptor. */
  readonly content: Uint8Array | undefined;
  /** The receiver closes it. */
  readonly fd: number;
  /** The parts that are not holes; undefined if the file has none worth to keep. */
  readonly extents: readonly Extent[] | undefined;
}

const MAX_EXTENTS = 4096;

/** Undefined if it vanished, or is a regular file no longer. */
export function openTreeFile(
  _context: OperationContext,
  root: number,
  path: Uint8Array,
  inlineBytes: number,
): TreeFile | undefined {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW;
  const fd = openUnlessGone(root, path, flags);
  if (fd === undefined) return undefined;
  let isKept = false;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return undefined;
    const { size } = stats;
    if (size <= inlineBytes) return { bytes: size, content: contentOf(fd, size), fd: -1, extents: undefined };
    const extents = stats.blocks * 512 < size ? dataExtents(fd, size, MAX_EXTENTS) : undefined;
    if (typeof extents === "number") throw pathError("find the holes of", path, -extents);
    isKept = true;
    return { bytes: size, content: undefined, fd, extents };
  } finally {
    if (!isKept) closeSync(fd);
  }
}

function openUnlessGone(root: number, path: Uint8Array, flags: number): number | undefined {
  try {
    return openBelow(root, path, flags);
  } catch (error) {
    if (error instanceof FileError && gone.has(nameOf(error.errno))) return undefined;
    throw error;
  }
}

/** Swapped for something else since its directory was read. */
const gone = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"]);

/** Padded with zeros if the file becomes shorter meanwhile. */
function contentOf(fd: number, size: number): Buffer {
  const content = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const read = readSync(fd, content, at, size - at, at);
    if (read === 0) break;
    at += read;
  }
  return content;
}
