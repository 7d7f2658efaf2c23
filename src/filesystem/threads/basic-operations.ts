// Operations that are one system call or a few: on a path or on a descriptor.

import {
  type BigIntStats,
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { constants } from "node:os";
import { copyRange, openResolved, removeAttribute, writeAttribute } from "../../linux/index.ts";
import { readMetadata } from "../entries/metadata.ts";
import { errnoOf, pathError, withPath } from "../file-error.ts";
import type { OperationContext } from "./operation-context.ts";

/** Path as the kernel gets it: bytes, or a text that is sent as UTF-8. */
export type Path = Uint8Array | string;

/** The owner of new files and directories. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The numbers of stat(2) that callers need; times in nanoseconds since 1970. */
export interface FileStats {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: bigint;
  readonly size: number;
  readonly blocks: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

function toStats(stats: BigIntStats): FileStats {
  const { dev, ino, rdev, atimeNs, mtimeNs, ctimeNs } = stats;
  return {
    ...{ dev, ino, rdev, atimeNs, mtimeNs, ctimeNs },
    mode: Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    blocks: Number(stats.blocks),
  };
}

const E = constants.errno;

/** A write succeeds although its chown fails: some mounts (s3fs, NFS with root squash) know one owner only. */
export function giveTo(fd: number, { uid, gid }: Owner): void {
  try {
    fchownSync(fd, uid, gid);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

/** Node takes paths as texts or Buffers, and messages deliver Buffers as Uint8Arrays. */
function nodePath(path: Path): string | Buffer {
  return typeof path === "string" ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}

export const basicOperations = {
  /** A descriptor, which the caller closes. */
  open: (_context: OperationContext, path: Path, flags: number, mode = 0o666): number =>
    withPath("open", path, () => openSync(nodePath(path), flags, mode)),

  /** The same by openat2, with `RESOLVE` flags. `folder`: a descriptor, or AT_FDCWD. */
  openResolved: (
    _context: OperationContext,
    folder: number,
    path: Path,
    flags: number,
    mode: number,
    resolve: number,
  ): number => {
    const fd = openResolved(folder, Buffer.from(path), flags, mode, resolve);
    if (fd < 0) throw pathError("open", path, -fd);
    return fd;
  },

  close: (_context: OperationContext, fd: number): void =>
    withPath("close", `descriptor ${fd}`, () => closeSync(fd)),

  /** Undefined if the path does not exist, also if a part of it is a file. */
  stat: (_context: OperationContext, path: Path): FileStats | undefined =>
    statOr(path, () => statSync(nodePath(path), { bigint: true })),

  lstat: (_context: OperationContext, path: Path): FileStats | undefined =>
    statOr(path, () => lstatSync(nodePath(path), { bigint: true })),

  fstat: (_context: OperationContext, fd: number): FileStats =>
    withPath("read the state of", `descriptor ${fd}`, () => toStats(fstatSync(fd, { bigint: true }))),

  realpath: (_context: OperationContext, path: Path): Uint8Array =>
    withPath("resolve", path, () => realpathSync.native(nodePath(path), "buffer")),

  readlink: (_context: OperationContext, path: Path): Uint8Array =>
    withPath("read the link", path, () => readlinkSync(nodePath(path), "buffer")),

  mkdir: (_context: OperationContext, path: Path, mode = 0o777): void =>
    withPath("make the directory", path, () => mkdirSync(nodePath(path), mode)),

  rename: (_context: OperationContext, from: Path, to: Path): void =>
    withPath("rename", from, () => renameSync(nodePath(from), nodePath(to))),

  link: (_context: OperationContext, from: Path, to: Path): void =>
    withPath("link", to, () => linkSync(nodePath(from), nodePath(to))),

  symlink: (_context: OperationContext, target: Path, path: Path): void =>
    withPath("make the link", path, () => symlinkSync(nodePath(target), nodePath(path))),

  unlink: (_context: OperationContext, path: Path): void =>
    withPath("remove", path, () => unlinkSync(nodePath(path))),

  rmdir: (_context: OperationContext, path: Path): void =>
    withPath("remove", path, () => rmdirSync(nodePath(path))),

  /** A failure is ignored; see `giveTo`. */
  giveTo: (_context: OperationContext, fd: number, owner: Owner): void => giveTo(fd, owner),

  fchmod: (_context: OperationContext, fd: number, mode: number): void =>
    withPath("change the mode of", `descriptor ${fd}`, () => fchmodSync(fd, mode)),

  futimes: (_context: OperationContext, fd: number, atimeSeconds: number, mtimeSeconds: number): void =>
    withPath("change the times of", `descriptor ${fd}`, () => futimesSync(fd, atimeSeconds, mtimeSeconds)),

  ftruncate: (_context: OperationContext, fd: number, bytes: number): void =>
    withPath("truncate", `descriptor ${fd}`, () => ftruncateSync(fd, bytes)),

  fsync: (_context: OperationContext, fd: number): void =>
    withPath("store", `descriptor ${fd}`, () => fsyncSync(fd)),

  /** Copies `bytes`, or up to the end of `from`; returns how many. In the kernel, without reading where it can share. */
  copyRange: (
    context: OperationContext,
    from: number,
    fromOffset: number,
    to: number,
    toOffset: number,
    bytes: number,
  ): number => {
    let copied = 0;
    while (copied < bytes) {
      context.step();
      const more = copyRange(
        from,
        fromOffset + copied,
        to,
        toOffset + copied,
        Math.min(bytes - copied, COPY_STEP_BYTES),
      );
      if (more < 0) throw pathError("copy to", `descriptor ${to}`, -more);
      if (more === 0) break;
      copied += more;
    }
    return copied;
  },

  /** The `user.e2b.` attributes, without that prefix. */
  readMetadata: (_context: OperationContext, target: Path | number): Record<string, string> =>
    readMetadata(typeof target === "number" ? target : Buffer.from(target)),

  setAttribute: (
    _context: OperationContext,
    target: Path | number,
    name: string,
    value: Uint8Array,
  ): void => {
    const failure = writeAttribute(typeof target === "number" ? target : Buffer.from(target), name, value);
    if (failure !== undefined) throw pathError(`set ${name} of`, shown(target), failure.errno);
  },

  removeAttribute: (_context: OperationContext, target: Path | number, name: string): void => {
    const failure = removeAttribute(typeof target === "number" ? target : Buffer.from(target), name);
    if (failure !== undefined && failure.errno !== E.ENOTSUP)
      throw pathError(`remove ${name} of`, shown(target), failure.errno);
  },
};

/** A dead or slow disk shows progress between steps of this size. */
const COPY_STEP_BYTES = 16 * 1024 * 1024;

function shown(target: Path | number): Path {
  return typeof target === "number" ? `descriptor ${target}` : target;
}

function statOr(path: Path, stat: () => BigIntStats): FileStats | undefined {
  try {
    return toStats(stat());
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === E.ENOENT || errno === E.ENOTDIR) return undefined;
    throw errno === undefined ? error : pathError("look up", path, errno);
  }
}
