// An open directory, and paths of its entries. Names are looked up in the directory that was
// opened, even if it was moved and something else has its name now: a swapped link cannot lead
// elsewhere.

import { closeSync, constants, type Dirent, fstatSync, opendirSync, openSync } from "node:fs";
import { withPath } from "../file-error.ts";

/** How many names one read of the kernel gives. */
const READ_ENTRIES = 1024;

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

export interface OpenFolder {
  readonly fd: number;
  /** The path by which the kernel looks up `name` in this directory. */
  at(name: Uint8Array): Buffer;
}

/** A directory that is open already. */
export function openFolderOf(fd: number): OpenFolder {
  return { fd, at: (name) => Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]) };
}

/** Runs `use` with the directory at `path`, which is not a link. For paths through open directories. */
export function withFolder<T>(
  action: string,
  path: Buffer,
  shownPath: Uint8Array | string,
  use: (folder: OpenFolder) => T,
): T {
  return withOpened(action, shownPath, () => openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), use);
}

/** The same for a directory that `open` opens. */
export function withOpened<T>(
  action: string,
  shownPath: Uint8Array | string,
  open: () => number,
  use: (folder: OpenFolder) => T,
): T {
  const fd = withPath(action, shownPath, open);
  try {
    return use(openFolderOf(fd));
  } finally {
    closeSync(fd);
  }
}

/** The kernel's time stamps are up to a clock tick older than the moment. */
const CLOCK_MS = 50;

/**
 * Whether the open directory is the one that was made after `sinceMs`, and not another one that took its name: such a one
 * must not get the owner of the new one. Other requests may have filled the new one already.
 */
export function isNewFolder(fd: number, sinceMs: number): boolean {
  return fstatSync(fd).birthtimeMs >= sinceMs - CLOCK_MS || isEmptyFolder(fd);
}

function isEmptyFolder(fd: number): boolean {
  const folder = opendirSync(`/proc/self/fd/${fd}`);
  try {
    return folder.readSync() === null;
  } finally {
    folder.closeSync();
  }
}

/** The names in the directory, in the order of the kernel, without `.` and `..`. */
export function* namesIn(folder: OpenFolder): Generator<Buffer> {
  for (const { name } of childrenOf(folder)) yield name;
}

/** The same with the type of each; undefined where the file system does not say it. */
export function* childrenOf({
  fd,
}: OpenFolder): Generator<{ name: Buffer; isDirectory: boolean | undefined }> {
  // The type of opendirSync does not know that "buffer" gives Buffers.
  const options = { encoding: "buffer" as BufferEncoding, bufferSize: READ_ENTRIES };
  const folder = opendirSync(`/proc/self/fd/${fd}`, options);
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync())
      yield {
        name: entry.name as unknown as Buffer,
        isDirectory: entry.isDirectory() || (isTyped(entry) ? false : undefined),
      };
  } finally {
    folder.closeSync();
  }
}

function isTyped(entry: Dirent): boolean {
  return (
    entry.isFile() ||
    entry.isSymbolicLink() ||
    entry.isFIFO() ||
    entry.isSocket() ||
    entry.isCharacterDevice() ||
    entry.isBlockDevice()
  );
}

/** The path without its last name, and that name; trailing slashes do not count. */
export function splitPath(path: Buffer): { readonly folder: Buffer; readonly name: Buffer } {
  let end = path.length;
  while (end > 1 && path[end - 1] === SLASH) end--;
  const slash = path.lastIndexOf(SLASH, end - 1);
  let folderEnd = slash;
  while (folderEnd > 0 && path[folderEnd - 1] === SLASH) folderEnd--;
  return {
    folder: folderEnd <= 0 ? Buffer.from("/") : path.subarray(0, folderEnd),
    name: path.subarray(slash + 1, end),
  };
}

const SLASH = 0x2f;
