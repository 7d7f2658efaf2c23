// Answers about files from the kernel's caches alone, so that a dead mount cannot block the caller:
// path walks with RESOLVE_CACHED (Linux 5.12), attributes with AT_STATX_DONT_SYNC, and only on
// mounts whose reads are local. `undefined` everywhere means "not known without waiting".

import { closeSync, openSync, readSync } from "node:fs";
import koffi from "koffi";
import { libc, poll } from "../libc.ts";

/** A file or folder on a local mount. */
export interface CachedFile {
  readonly isDirectory: boolean;
  /** A regular file with an execute bit. */
  readonly isExecutable: boolean;
  /** Changes with the content. */
  readonly identity: string;
}

/** Types of file systems that never wait for another program or machine. */
const LOCAL_TYPES = new Set(
  "bcachefs btrfs devtmpfs erofs ext2 ext3 ext4 f2fs iso9660 overlay ramfs rootfs squashfs tmpfs vfat xfs zfs".split(
    " ",
  ),
);

const calls: Readonly<Record<string, { readonly openat2: number; readonly statx: number }>> = {
  x64: { openat2: 437, statx: 332 },
  arm64: { openat2: 437, statx: 291 },
};
const numbers = calls[process.arch];

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_BASIC_AND_MOUNT = 0x17ff;
const ENOENT = 2;
const ENOTDIR = 20;
const POLLPRI = 2;

const openat2 = libc.func("long syscall(long number, int folder, const char *path, void *how, size_t bytes)");
const statx = libc.func(
  "long syscall(long number, int folder, const char *path, int flags, unsigned int mask, void *found)",
);

/** struct open_how: O_PATH | O_CLOEXEC, no mode, RESOLVE_CACHED. */
const HOW = Buffer.from(new BigUint64Array([0o12000000n, 0n, 0x20n]).buffer);
/** struct statx. */
const found = Buffer.alloc(256);
const MODE_AT = 28;
const INODE_AT = 32;
const SIZE_AT = 40;
const CHANGED_AT = 96;
const MOUNT_AT = 144;

/** `"missing"`: the kernel knows that there is no such file. Not re-entrant, never waits. */
export function cachedFile(path: string): CachedFile | "missing" | undefined {
  if (numbers === undefined) return undefined;
  const fd = openCached(path, numbers.openat2);
  if (fd < 0) return [ENOENT, ENOTDIR].includes(koffi.errno()) ? "missing" : undefined;
  try {
    return describe(fd, numbers.statx);
  } finally {
    closeSync(fd);
  }
}

/** Only its place: the file itself is not opened. Negative if it has none, or if the kernel would have to wait. */
function openCached(path: string, openat2Number: number): number {
  return Number(openat2(openat2Number, AT_FDCWD, path, HOW, HOW.length));
}

function describe(fd: number, statxNumber: number): CachedFile | undefined {
  const flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
  if (Number(statx(statxNumber, fd, "", flags, STATX_BASIC_AND_MOUNT, found)) !== 0) return undefined;
  const mount = found.readBigUInt64LE(MOUNT_AT);
  if (!localMounts().has(String(mount))) return undefined;
  const mode = found.readUInt16LE(MODE_AT);
  const type = mode & 0o170000;
  const numbersOfIt = [INODE_AT, SIZE_AT, CHANGED_AT, CHANGED_AT + 8].map((at) => found.readBigUInt64LE(at));
  return {
    isDirectory: type === 0o040000,
    isExecutable: type === 0o100000 && (mode & 0o111) !== 0,
    identity: [mount, ...numbersOfIt].join(),
  };
}

/** Opens the list of mounts at the start of the agent, for as long as it runs. */
export function prepareCachedFiles(): void {
  localMounts();
}

/** How many programs `loaderOf` remembers. */
const MAX_LOADERS = 1024;
const loaders = new Map<string, string | undefined>();

/**
 * The loader that a program names, "" for a static one, undefined for everything that is not an ELF
 * program, scripts for example. Reads `file` once; call it only for a file found by `cachedFile`.
 */
export function loaderOf(path: string, file: CachedFile): string | undefined {
  if (loaders.has(file.identity)) return loaders.get(file.identity);
  const head = readHead(path, file);
  const loader = head && loaderIn(head);
  if (loaders.size >= MAX_LOADERS) loaders.clear();
  loaders.set(file.identity, loader);
  return loader;
}

const PT_INTERP = 3;

/** The beginning of `file`; undefined if it cannot be read, or if `path` leads to another file by now. */
function readHead(path: string, file: CachedFile): Buffer | undefined {
  if (numbers === undefined) return undefined;
  const place = openCached(path, numbers.openat2);
  if (place < 0) return undefined;
  const head = Buffer.alloc(4096);
  try {
    // By its place and not by its path: a FIFO may have come there, and opening that waits for a writer.
    if (describe(place, numbers.statx)?.identity !== file.identity) return undefined;
    const fd = openSync(`/proc/self/fd/${place}`, "r");
    try {
      readSync(fd, head, 0, head.length, 0);
    } finally {
      closeSync(fd);
    }
    return head;
  } catch {
    // EACCES: may be executed but not read.
    return undefined;
  } finally {
    closeSync(place);
  }
}

function loaderIn(head: Buffer): string | undefined {
  // 64 bits, little endian.
  if (!head.subarray(0, 6).equals(Buffer.from("\x7fELF\x02\x01", "latin1"))) return undefined;
  const segmentsAt = Number(head.readBigUInt64LE(32));
  const segmentBytes = head.readUInt16LE(54);
  const segments = head.readUInt16LE(56);
  if (segmentsAt + segments * segmentBytes > head.length) return undefined;
  for (let index = 0; index < segments; index++) {
    const at = segmentsAt + index * segmentBytes;
    if (head.readUInt32LE(at) !== PT_INTERP) continue;
    const start = Number(head.readBigUInt64LE(at + 8));
    const bytes = Number(head.readBigUInt64LE(at + 32));
    if (start + bytes > head.length) return undefined;
    return head.toString("utf8", start, start + bytes - 1);
  }
  return "";
}

let mounts: { readonly fd: number; readonly polled: Buffer; local: Set<string> } | undefined;

/** The ids of local mounts, read again when the kernel reports that mounts have changed. */
function localMounts(): Set<string> {
  if (mounts === undefined) {
    // Kept open: the kernel reports changes since the last poll of this descriptor.
    const fd = openSync("/proc/self/mountinfo", "r");
    const polled = Buffer.alloc(8);
    polled.writeInt32LE(fd);
    polled.writeInt16LE(POLLPRI, 4);
    mounts = { fd, polled, local: readLocalMounts(fd) };
  }
  const { fd, polled } = mounts;
  if (poll(polled, 1, 0) > 0) mounts.local = readLocalMounts(fd);
  return mounts.local;
}

function readLocalMounts(fd: number): Set<string> {
  const pieces: Buffer[] = [];
  const piece = Buffer.alloc(65_536);
  let at = 0;
  for (let bytes = readSync(fd, piece, 0, piece.length, at); bytes > 0; ) {
    pieces.push(Buffer.from(piece.subarray(0, bytes)));
    at += bytes;
    bytes = readSync(fd, piece, 0, piece.length, at);
  }
  const lines = Buffer.concat(pieces).toString().split("\n");
  // "36 35 98:0 /root /mount options optional... - type source options"
  return new Set(
    lines.flatMap((line) => {
      const type = line.split(" - ")[1]?.split(" ")[0];
      return type !== undefined && LOCAL_TYPES.has(type) ? [line.slice(0, line.indexOf(" "))] : [];
    }),
  );
}
