// Reads a directory tree to send it: one directory or one file at a time. Runs on a file thread.

import { closeSync, constants, fstatSync, lstatSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { dataExtents, type Extent, nameOf } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, withPath } from "../file-error.ts";
import { openPath } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { inFolder, openBelow } from "./below.ts";
import { REMOVED, reasonOf } from "./skipped-entries.ts";
import { MAX_PARTS } from "./sparse-map.ts";

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
  /** What something of another kind is. */
  readonly description: string | undefined;
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
const descriptions = new Map([
  [0o140000, "it is a socket"],
  [0o010000, "it is a FIFO"],
  [0o020000, "it is a device"],
  [0o060000, "it is a device"],
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
    description: kind === "other" ? descriptions.get(stats.mode & S_IFMT) : undefined,
  };
}

/** One file of a directory. */
export type TreeFile =
  | { readonly kind: "content"; readonly content: Uint8Array }
  /** A large file, which the receiver reads and closes. */
  | {
      readonly kind: "open";
      readonly fd: number;
      readonly bytes: number;
      /** The parts that are not holes; undefined if the file has none worth to keep. */
      readonly extents: readonly Extent[] | undefined;
    }
  /** It cannot be read, or is a regular file no longer. */
  | { readonly kind: "missing"; readonly reason: string };

/** As many as this agent takes when it unpacks. A file of more parts is sent with its holes as zeros. */
const MAX_EXTENTS = MAX_PARTS - 1;

export interface TreeFilesRequest {
  /** Below the root. */
  readonly folder: Uint8Array;
  readonly names: readonly Uint8Array[];
  /** A file up to this size is read at once. */
  readonly inlineBytes: number;
  /** No further file is opened when so much was read. */
  readonly maxBytes: number;
}

/** The first ones of the files, at least one. After a large file comes no other: each has one descriptor to close. */
export function openTreeFiles(
  context: OperationContext,
  root: number,
  request: TreeFilesRequest,
): TreeFile[] {
  const { names, inlineBytes, maxBytes } = request;
  const found: TreeFile[] = [];
  let folder: number;
  try {
    folder = openBelow(root, request.folder, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    return names.map(() => ({ kind: "missing", reason }));
  }
  try {
    let bytes = 0;
    for (const name of names) {
      context.step();
      const file = openTreeFile(folder, name, inlineBytes);
      found.push(file);
      if (file.kind === "content") bytes += file.content.length;
      if (file.kind === "open" || bytes >= maxBytes) break;
    }
    return found;
  } finally {
    closeSync(folder);
  }
}

function openTreeFile(folder: number, name: Uint8Array, inlineBytes: number): TreeFile {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW;
  let fd: number | undefined;
  let isKept = false;
  try {
    fd = openBelow(folder, name, flags);
    const stats = fstatSync(fd);
    if (!stats.isFile()) return { kind: "missing", reason: REMOVED };
    const { size } = stats;
    if (size <= inlineBytes) return { kind: "content", content: contentOf(fd, size) };
    const extents = stats.blocks * 512 < size ? dataExtents(fd, size, MAX_EXTENTS) : undefined;
    if (typeof extents === "number") throw pathError("find the holes of", name, -extents);
    isKept = true;
    return { kind: "open", fd, bytes: size, extents };
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    return { kind: "missing", reason };
  } finally {
    if (fd !== undefined && !isKept) closeSync(fd);
  }
}

function openUnlessGone(root: number, path: Uint8Array, flags: number): number | undefined {
  try {
    return openBelow(root, path, flags);
  } catch (error) {
    if (reasonOf(error) === REMOVED) return undefined;
    throw error;
  }
}

/** Shorter if the file became shorter meanwhile. */
function contentOf(fd: number, size: number): Buffer {
  const content = Buffer.alloc(size);
  let filled = 0;
  while (filled < size) {
    const read = readSync(fd, content, filled, size - filled, filled);
    if (read === 0) break;
    filled += read;
  }
  return content.subarray(0, filled);
}
