// Calls on the contents of open files for which Node has no function. They wait for the file system, so they belong on a
// thread that may wait. Each returns its result, or the errno as a negative number.

import { constants } from "node:fs";
import koffi from "koffi";
import { libc } from "../libc.ts";

const FALLOC_FL_KEEP_SIZE = 1;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const ENXIO = 6;
const EINVAL = 22;
const FICLONE = 0x40049409;
/** Wait for writes that have begun, begin all others, and wait for these. */
const SYNC_FILE_RANGE_ALL = 7;

/** Opens a file without a name in the folder that is opened with it. */
export const O_TMPFILE: number = 0o20000000 | constants.O_DIRECTORY;

const fallocate = libc.func("int fallocate(int fd, int mode, int64_t start, int64_t bytes)");
const ioctl = libc.func("int ioctl(int fd, unsigned long request, int other)");
const syncfs = libc.func("int syncfs(int fd)");
const syncFileRange = libc.func(
  "int sync_file_range(int fd, int64_t start, int64_t bytes, unsigned int flags)",
);
const lseek = libc.func("int64_t lseek(int fd, int64_t offset, int whence)");
const linkat = libc.func("int linkat(int from, const char *path, int to, const void *target, int flags)");

/** Allocates the blocks of the first `bytes` bytes and leaves the file's size as it is. */
export function reserveBlocks(fd: number, bytes: number): number {
  return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes) === 0 ? 0 : -koffi.errno();
}

/** Makes `to` share the blocks of `from`: the same content, without a copy of it. Both are on one file system. */
export function shareBlocks(from: number, to: number): number {
  return ioctl(to, FICLONE, from) === 0 ? 0 : -koffi.errno();
}

/** Writes the changes of a part of the file to its disk, and waits for it. */
export function writeBack(fd: number, start: number, bytes: number): number {
  return syncFileRange(fd, start, bytes, SYNC_FILE_RANGE_ALL) === 0 ? 0 : -koffi.errno();
}

/** Writes all changes of the file system of `fd` to its disk. */
export function syncFileSystem(fd: number): number {
  return syncfs(fd) === 0 ? 0 : -koffi.errno();
}

/** Gives a file that was opened with O_TMPFILE its first name. `path` must not exist. */
export function linkNameless(fd: number, path: Uint8Array): number {
  const terminated = Buffer.concat([path, Buffer.alloc(1)]);
  return linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, terminated, AT_SYMLINK_FOLLOW) === 0
    ? 0
    : -koffi.errno();
}

const flock = libc.func("int flock(int fd, int operation)");
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Locks an open file until its descriptor is closed, also by the end of the agent. False if another one has the lock. */
export function lockFile(fd: number): boolean {
  return flock(fd, LOCK_EX | LOCK_NB) === 0;
}

export interface Extent {
  readonly start: number;
  /** Not included. */
  readonly end: number;
}

/**
 * The parts of a file of `size` bytes that are not holes; undefined if there are more than `maxExtents`, or if the file
 * system does not know. Moves the position of `fd`.
 */
export function dataExtents(fd: number, size: number, maxExtents: number): Extent[] | undefined | number {
  const extents: Extent[] = [];
  for (let at = 0; at < size; ) {
    const start = seek(fd, at, SEEK_DATA);
    if (start === -ENXIO) break;
    if (start === -EINVAL) return undefined;
    if (start < 0) return start;
    const hole = seek(fd, start, SEEK_HOLE);
    if (hole < 0) return hole;
    if (extents.length === maxExtents) return undefined;
    extents.push({ start, end: Math.min(hole, size) });
    at = hole;
  }
  return extents;
}

function seek(fd: number, offset: number, whence: number): number {
  const result = Number(lseek(fd, offset, whence));
  return result >= 0 ? result : -koffi.errno();
}
