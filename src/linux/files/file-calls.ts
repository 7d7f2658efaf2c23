// Calls on files for which Node has no function. They wait for the file system, so they belong on a
// thread that may wait. Each returns its result, or the errno as a negative number.

import koffi from "koffi";
import { libc } from "../libc.ts";

/** Of openat2: how the path is looked up. */
export const RESOLVE = { NO_MAGICLINKS: 0x2, NO_SYMLINKS: 0x4, BENEATH: 0x8 } as const;

export const AT_FDCWD = -100;
/** Opens a place in the tree of files, without a right to its content and without waiting for it. */
export const O_PATH = 0o10000000;
/** The same on x64 and arm64. */
const SYS_OPENAT2 = 437;

const openat2 = libc.func("syscall", "long", ["long", "long", "const void *", "const void *", "size_t"]);
const copyFileRange = libc.func(
  "long copy_file_range(int from, _Inout_ int64_t *fromOffset, int to, _Inout_ int64_t *toOffset, size_t bytes, unsigned int flags)",
);

/** A descriptor, close-on-exec. `flags` and `mode` as for open(2), `resolve` of `RESOLVE`. Linux 5.6. */
export function openResolved(
  folder: number,
  path: Uint8Array,
  flags: number,
  mode: number,
  resolve: number,
): number {
  const how = Buffer.from(new BigUint64Array([BigInt(flags), BigInt(mode), BigInt(resolve)]).buffer);
  const fd = Number(openat2(SYS_OPENAT2, folder, Buffer.concat([path, Buffer.alloc(1)]), how, how.length));
  return fd >= 0 ? fd : -koffi.errno();
}

const readlinkat = libc.func("long readlinkat(int folder, const char *path, void *text, size_t size)");
const MAX_LINK_BYTES = 4096;

/**
 * The text of a symbolic link that was opened with O_PATH and O_NOFOLLOW: of this link, even if its
 * name now leads elsewhere.
 */
export function readOpenLink(fd: number): Buffer | number {
  const text = Buffer.alloc(MAX_LINK_BYTES);
  const bytes = Number(readlinkat(fd, "", text, text.length));
  return bytes >= 0 ? text.subarray(0, bytes) : -koffi.errno();
}

/** How many bytes the kernel copied: without reading them where the file system can share them. */
export function copyRange(
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  bytes: number,
): number {
  const copied = Number(copyFileRange(from, [fromOffset], to, [toOffset], bytes, 0));
  return copied >= 0 ? copied : -koffi.errno();
}

const lseek = libc.func("int64_t lseek(int fd, int64_t offset, int whence)");
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = 6;

/**
 * The next piece of a file that is not a hole, from `at` on and before `size`; undefined if only a hole follows.
 * Where the file system does not know, the rest is one piece. Moves the position of `fd`.
 */
export function nextData(
  fd: number,
  at: number,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const start = Number(lseek(fd, at, SEEK_DATA));
  if (start < 0) return koffi.errno() === ENXIO ? undefined : { start: at, end: size };
  if (start >= size) return undefined;
  const end = Number(lseek(fd, start, SEEK_HOLE));
  return { start, end: end < 0 ? size : Math.min(end, size) };
}

const utimensat = libc.func("int utimensat(int folder, const void *path, const void *times, int flags)");
const AT_SYMLINK_NOFOLLOW = 0x100;

/** To the nanosecond, which Node cannot; of a link itself. Returns the errno of a failure. */
export function setTimes(path: Uint8Array, atimeNs: bigint, mtimeNs: bigint): number | undefined {
  const times = new BigInt64Array([atimeNs, mtimeNs].flatMap(toTimespec));
  const terminated = Buffer.concat([path, Buffer.alloc(1)]);
  const result: number = utimensat(AT_FDCWD, terminated, Buffer.from(times.buffer), AT_SYMLINK_NOFOLLOW);
  return result === 0 ? undefined : koffi.errno();
}

function toTimespec(ns: bigint): [seconds: bigint, nanoseconds: bigint] {
  const rest = ((ns % SECOND_NS) + SECOND_NS) % SECOND_NS;
  return [(ns - rest) / SECOND_NS, rest];
}

const SECOND_NS = 1_000_000_000n;

const mknodat = libc.func("syscall", "long", ["long", "long", "const void *", "long", "long"]);
/** glibc has a function only from 2.33 on. */
const mknodatNumbers: Readonly<Record<string, number>> = { x64: 259, arm64: 33 };

/** Makes a FIFO, socket or device with the type and mode of `mode`. Returns the errno of a failure. */
export function makeNode(path: Uint8Array, mode: number, device: bigint): number | undefined {
  const number = mknodatNumbers[process.arch];
  if (number === undefined) return ENOSYS;
  const terminated = Buffer.concat([path, Buffer.alloc(1)]);
  const result = Number(mknodat(number, AT_FDCWD, terminated, mode, Number(device)));
  return result === 0 ? undefined : koffi.errno();
}

const ENOSYS = 38;
