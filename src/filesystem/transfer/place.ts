// Puts complete content at its place. A new file appears whole, with its owner and metadata, by giving the spool file its
// name. An existing file is written in place, so that its inode, links, mode, owner and mount stay, or is replaced by a
// rename if the request asks for that. Everything that can fail is done before the old content changes. Runs on a file
// thread.

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { linkNameless, nameOf } from "../../linux/index.ts";
import { readMetadata } from "../entries/metadata.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import { giveTo, type Owner } from "../threads/basic-operations.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { type CompleteContent, copyIn, writeAll } from "./copy-in.ts";
import { replaceMetadata } from "./metadata-replacement.ts";
import { makeParents } from "./parents.ts";
import { momentaryName, openSpool, type Spool } from "./spool.ts";
import { assertFileTarget, openFileTarget, parentOf } from "./target.ts";
import { versionOf } from "./version.ts";

export interface PlaceRequest {
  readonly path: Uint8Array;
  readonly content: CompleteContent;
  /** The file of the content, unless that is in memory. The caller closes it. */
  readonly spool: Spool | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of a new file; undefined if that is the thread's own. */
  readonly owner: Owner | undefined;
  /** Permission bits; undefined: 0644 for a new file, unchanged for an existing one. */
  readonly mode: number | undefined;
  /** Replaces the file by a rename, instead of writing it in place. */
  readonly isAtomic: boolean;
  /** Waits until the disk has it. */
  readonly isSynced: boolean;
  /** The version that the file must still have: `none` if it must not exist; undefined: any. */
  readonly expected: string | undefined;
}

export interface PlacedFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: string;
  readonly bytes: number;
}

/** The version of a file that does not exist. */
export const NO_FILE = "none";

const NEW_MODE = 0o644;
/** How often to look again when the file appears or disappears meanwhile. */
const MAX_ATTEMPTS = 16;

export function place(context: OperationContext, request: PlaceRequest): PlacedFile {
  const path = Buffer.from(request.path);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    context.step();
    const placed = placeOnce(context, { ...request, path });
    if (placed !== undefined) return placed;
  }
  throw new FileError(
    "unavailable",
    `cannot write "${pathText(path)}": other programs create and remove it all the time; try again`,
  );
}

type Placing = Omit<PlaceRequest, "path"> & { readonly path: Buffer };

/** Undefined if the file appeared or disappeared meanwhile. */
function placeOnce(context: OperationContext, request: Placing): PlacedFile | undefined {
  const { path, expected } = request;
  const fd = openExisting(path);
  if (fd === undefined) {
    assertVersion(path, NO_FILE, expected);
    return placeNew(context, request);
  }
  return closing(fd, path, () => {
    assertVersion(path, versionOf(fd), expected);
    const stats = fstatSync(fd);
    return request.isAtomic ? replace(context, request, stats) : overwrite(context, request, fd, stats);
  });
}

function assertVersion(path: Buffer, current: string, expected: string | undefined): void {
  if (expected === undefined || expected === current) return;
  throw new FileError(
    "failed_precondition",
    `"${pathText(path)}" was changed meanwhile; the upload was not stored`,
  );
}

/** Runs `use` and closes `fd`. An error of close is an error of the writes before it (NFS, quotas). */
function closing<T>(fd: number, path: Buffer, use: () => T): T {
  let result: T;
  try {
    result = use();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  withPath("write", path, () => closeSync(fd));
  return result;
}

/** Undefined if it does not exist. */
function openExisting(path: Buffer): number | undefined {
  try {
    assertFileTarget(statSync(path), path);
    return openFileTarget(path, constants.O_RDWR);
  } catch (error) {
    const errno = error instanceof FileError ? undefined : errnoOf(error);
    if (errno === undefined) throw error;
    if (nameOf(errno) === "ENOENT") return undefined;
    throw pathError("write", path, errno);
  }
}

function overwrite(context: OperationContext, request: Placing, fd: number, before: Stats): PlacedFile {
  replaceMetadata(fd, request.metadata, request.path);
  // Changes nothing but the time. Watchers of E2B's SDKs expect this event of every write.
  giveTo(fd, { uid: before.uid, gid: before.gid });
  copyIn(context, request.content, fd, request.path);
  finish(request, fd, request.mode);
  return describe(fd);
}

function finish({ path, isSynced }: Placing, fd: number, mode: number | undefined): void {
  if (mode !== undefined) withPath("change the mode of", path, () => fchmodSync(fd, mode));
  if (isSynced) withPath("store", path, () => fsyncSync(fd));
}

function placeNew(context: OperationContext, request: Placing): PlacedFile | undefined {
  const { path } = request;
  makeParents(path, request.owner);
  const spool = linkable(request) ?? openSpool(parentOf(path));
  try {
    if (!spool.isLinkable) return createAndCopy(context, request);
    prepare(context, request, spool.fd, request.mode ?? NEW_MODE, request.owner);
    const result = linkNameless(spool.fd, path);
    if (result === 0) {
      announce(request);
      return describe(spool.fd);
    }
    if (nameOf(-result) === "EEXIST") return throughDanglingLink(context, request);
    // The file system, or a rule of the kernel, gives no names to nameless files.
    return createAndCopy(context, request);
  } finally {
    if (spool !== request.spool) closeSync(spool.fd);
  }
}

function linkable({ spool }: Placing): Spool | undefined {
  return spool?.isLinkable === true ? spool : undefined;
}

/** Makes the file `fd`, which has no name yet, what the target is to be. */
function prepare(
  context: OperationContext,
  request: Placing,
  fd: number,
  mode: number,
  owner: Owner | undefined,
): void {
  const { content, path } = request;
  if (content.kind === "memory") writeAll(fd, content.data, 0, path);
  else if (content.fd !== fd) copyIn(context, content, fd, path);
  if (owner !== undefined) giveTo(fd, owner);
  finish({ ...request, isSynced: false }, fd, mode);
  replaceMetadata(fd, request.metadata, path);
  finish(request, fd, undefined);
}

/** The events that watchers expect of a new file: after its name came its owner and its content. */
function announce({ path, content }: Placing): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { uid, gid, nlink, size } = fstatSync(fd);
    if (nlink !== 1 || size !== content.bytes) return;
    fchownSync(fd, uid, gid);
    const first = Buffer.alloc(1);
    if (readSync(fd, first, 0, 1, 0) === 1) writeSync(fd, first, 0, 1, 0);
  } catch {
    // Already gone, or not to be opened. These are events only: the file is complete.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** `path` exists: a link to nothing, through which the file is created, or a file that has appeared (undefined). */
function throughDanglingLink(context: OperationContext, request: Placing): PlacedFile | undefined {
  const target = statSync(request.path, { throwIfNoEntry: false });
  return target === undefined ? createAndCopy(context, request) : undefined;
}

/** For file systems without nameless files, and links to nothing. Undefined if the file has appeared meanwhile. */
function createAndCopy(context: OperationContext, request: Placing): PlacedFile | undefined {
  const { path } = request;
  // Without O_EXCL, which refuses a link to nothing.
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
  const fd = withPath("create", path, () => openSync(path, flags, request.mode ?? NEW_MODE));
  const stats = fstatSync(fd);
  if (stats.size > 0 || !stats.isFile()) {
    closeSync(fd);
    return undefined;
  }
  try {
    return closing(fd, path, () => {
      if (request.owner !== undefined) giveTo(fd, request.owner);
      replaceMetadata(fd, request.metadata, path);
      copyIn(context, request.content, fd, path);
      finish(request, fd, request.mode);
      return describe(fd);
    });
  } catch (error) {
    try {
      unlinkSync(path);
    } catch {
      // The error that is reported matters more.
    }
    throw error;
  }
}

/** By rename: readers see the old file or the new one, and programs that have the old one open keep it. */
function replace(context: OperationContext, request: Placing, old: Stats): PlacedFile {
  const { path } = request;
  const real = withPath("replace", path, () => realpathSync.native(path, "buffer"));
  const spool = linkable(request) ?? openSpool(parentOf(real));
  // From another directory, the rename is one event for watchers of the target's.
  const name = momentaryName(spool.isLinkable ? Buffer.from(spool.directory) : parentOf(real));
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const fd = spool.isLinkable ? spool.fd : withPath("replace", path, () => openSync(name, flags, 0o600));
  try {
    prepare(context, request, fd, request.mode ?? old.mode & 0o777, { uid: old.uid, gid: old.gid });
    const linked = spool.isLinkable ? linkNameless(fd, name) : 0;
    if (linked < 0) throw pathError("replace", path, -linked);
    withPath("replace", path, () => renameSync(name, real));
    return describe(fd);
  } catch (error) {
    try {
      unlinkSync(name);
    } catch {
      // It had no name yet, or the error that is reported matters more.
    }
    throw error;
  } finally {
    if (fd !== spool.fd) closeSync(fd);
    if (spool !== request.spool) closeSync(spool.fd);
  }
}

function describe(fd: number): PlacedFile {
  return { metadata: readMetadata(fd), version: versionOf(fd), bytes: fstatSync(fd).size };
}
