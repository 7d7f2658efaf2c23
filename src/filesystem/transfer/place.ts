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
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { constants as system } from "node:os";
import { duplicate, type Fd, linkNameless, nameOf } from "../../linux/index.ts";
import { readMetadata } from "../entries/metadata.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import { giveTo, type Owner } from "../threads/basic-operations.ts";
import { openFolderOf } from "../threads/open-folder.ts";
import { atPlace, type Place } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { type CompleteContent, copyIn, isOneWrite, writeAll } from "./copy-in.ts";
import { danglingTarget } from "./dangling-link.ts";
import { inheritGroup } from "./inherited-group.ts";
import { replaceMetadata } from "./metadata-replacement.ts";
import { openParent } from "./parents.ts";
import { writeRedo } from "./redo-record.ts";
import { shareIn } from "./share-in.ts";
import { momentaryName, openSpool, type Spool } from "./spool.ts";
import { baseOf, type Following, openFileTarget, parentOf } from "./target.ts";
import { versionOf } from "./version.ts";

export interface PlaceRequest {
  readonly path: Uint8Array;
  readonly content: CompleteContent;
  /** The file of the content, unless that is in memory. The caller closes it, after `place` has begun. */
  readonly spool: Spool | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of a new file; undefined if that is the thread's own. */
  readonly owner: Owner | undefined;
  /** Permission bits; undefined: 0644 for a new file, unchanged for an existing one. */
  readonly mode: number | undefined;
  readonly following: Following;
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

export function place(context: OperationContext, given: PlaceRequest): PlacedFile {
  const { content, spool } = given;
  if (content.kind === "memory") return placeAll(context, given);
  // A caller closes its descriptor after its time limit, also in the middle of a copy.
  const fd = duplicate(content.fd as Fd);
  try {
    const own = { content: { ...content, fd }, spool: spool === undefined ? undefined : { ...spool, fd } };
    return placeAll(context, { ...given, ...own });
  } finally {
    closeSync(fd);
  }
}

function placeAll(context: OperationContext, request: PlaceRequest): PlacedFile {
  let path: Buffer = Buffer.from(request.path);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    context.step();
    const placed = placeOnce(context, { ...request, path });
    if (placed === undefined) continue;
    if (!("continueAt" in placed)) return placed;
    path = placed.continueAt;
  }
  throw new FileError(
    "unavailable",
    `cannot write "${pathText(path)}": other programs create and remove it all the time; try again`,
  );
}

type Placing = Omit<PlaceRequest, "path"> & { readonly path: Buffer };
/** Undefined if the file appeared or disappeared meanwhile; `continueAt`: the path is a link to nothing, which is there. */
type Outcome = PlacedFile | { readonly continueAt: Buffer } | undefined;

function placeOnce(context: OperationContext, request: Placing): Outcome {
  const { path, expected } = request;
  const fd = openExisting(request);
  if (fd === undefined) {
    assertVersion(path, NO_FILE, expected);
    return placeNew(context, request);
  }
  return closing(fd, path, () => {
    assertVersion(path, versionOf(fd), expected);
    const stats = fstatSync(fd);
    return request.isAtomic ? replace(context, request, fd, stats) : overwrite(context, request, fd, stats);
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
function openExisting({ path, following }: Placing): number | undefined {
  try {
    return openFileTarget(path, constants.O_RDWR, following);
  } catch (error) {
    const errno = error instanceof FileError ? undefined : errnoOf(error);
    if (errno === undefined) throw error;
    if (nameOf(errno) === "ENOENT") return undefined;
    throw pathError("write", path, errno);
  }
}

function overwrite(context: OperationContext, request: Placing, fd: number, before: Stats): PlacedFile {
  const restoreMetadata = replaceMetadata(fd, request.metadata, request.path);
  // Changes nothing but the time. Watchers of E2B's SDKs expect this event of every write.
  giveTo(fd, { uid: before.uid, gid: before.gid });
  const { content, spool, mode, isSynced } = request;
  const redo = writeRedo({ target: fd, content, spool, mode, isSynced });
  try {
    try {
      const isDone = !isOneWrite(content, before.size) && shareIn(context, request, fd);
      if (!isDone) copyIn(context, content, fd, request.path);
    } catch (error) {
      restoreMetadata();
      throw error;
    }
    finish(request, fd, mode);
  } finally {
    redo?.remove();
  }
  return describe(fd);
}

function finish({ path, isSynced }: Placing, fd: number, mode: number | undefined): void {
  if (mode !== undefined) withPath("change the mode of", path, () => fchmodSync(fd, mode));
  if (isSynced) withPath("store", path, () => fsyncSync(fd));
}

function placeNew(context: OperationContext, request: Placing): Outcome {
  const { path, following } = request;
  const parent = openParent(path, request.owner, { refuseLinks: following === "none" });
  const name = baseOf(path);
  const folder = openFolderOf(parent);
  const place = { folder, name, path: folder.at(name) };
  try {
    return createAt(context, request, place);
  } finally {
    closeSync(parent);
  }
}

function createAt(context: OperationContext, request: Placing, place: Place): Outcome {
  const spool = linkable(request) ?? openSpool(parentOf(request.path));
  try {
    if (!spool.isLinkable) return createAndCopy(context, request, place);
    prepare(context, request, spool.fd, request.mode ?? NEW_MODE, request.owner);
    if (request.owner === undefined && !inheritGroup(spool.fd, place.folder.fd))
      return createAndCopy(context, request, place);
    const result = linkNameless(spool.fd, place.path);
    if (result === 0) {
      announce(spool.fd, place, request.content.bytes);
      return describe(spool.fd);
    }
    if (nameOf(-result) === "EEXIST") return throughLink(request, place);
    // The file system, or a rule of the kernel, gives no names to nameless files.
    return createAndCopy(context, request, place);
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
function announce(placed: number, { path }: Place, bytes: number): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { uid, gid, nlink, size } = fstatSync(fd);
    if (nlink !== 1 || size !== bytes || !isSame(fd, placed)) return;
    fchownSync(fd, uid, gid);
    const first = Buffer.alloc(1);
    if (readSync(fd, first, 0, 1, 0) === 1) writeSync(fd, first, 0, 1, 0);
  } catch {
    // Already gone, or not to be opened. These are events only: the file is complete.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function isSame(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one, { bigint: true }), fstatSync(other, { bigint: true })];
  return a.dev === b.dev && a.ino === b.ino;
}

/** Something exists at the place of a new file: a link to nothing, or a file that has appeared. */
function throughLink({ path, following }: Placing, place: Place): Outcome {
  const target = danglingTarget(place, path);
  if (target === undefined || following === "all") return target;
  throw pathError("write", path, system.errno.ELOOP);
}

/** For file systems without nameless files. */
function createAndCopy(context: OperationContext, request: Placing, place: Place): Outcome {
  const { path } = request;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  let fd: number;
  try {
    fd = openSync(place.path, flags, request.mode ?? NEW_MODE);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== undefined && nameOf(errno) === "EEXIST") return throughLink(request, place);
    throw errno === undefined ? error : pathError("create", path, errno);
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
      unlinkSync(place.path);
    } catch {
      // The error that is reported matters more.
    }
    throw error;
  }
}

/**
 * By rename: readers see the old file or the new one, and programs that have the old one open keep it. Undefined if the
 * open file `existing` has another name now.
 */
function replace(context: OperationContext, request: Placing, existing: number, old: Stats): Outcome {
  // Of the file that was opened: the path could lead to another one by now, which would get the owner of this one.
  const real = readlinkSync(`/proc/self/fd/${existing}`, "buffer");
  return withPath("replace", request.path, () =>
    atPlace(
      real,
      (place) => {
        const now = lstatSync(place.path, { bigint: true, throwIfNoEntry: false });
        const { dev, ino } = fstatSync(existing, { bigint: true });
        if (now?.dev !== dev || now.ino !== ino) return undefined;
        return renameOver(context, request, place, parentOf(real), old);
      },
      { refuseLinks: true },
    ),
  );
}

function renameOver(
  context: OperationContext,
  request: Placing,
  place: Place,
  directory: Buffer,
  old: Stats,
): PlacedFile {
  const { path } = request;
  const spool = linkable(request) ?? openSpool(directory);
  // From another directory, the rename is one event for watchers of the target's.
  const name = spool.isLinkable
    ? momentaryName(Buffer.from(spool.directory))
    : momentaryName(place.folder.at(Buffer.from(".")));
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const fd = spool.isLinkable ? spool.fd : withPath("replace", path, () => openSync(name, flags, 0o600));
  try {
    prepare(context, request, fd, request.mode ?? old.mode & 0o777, { uid: old.uid, gid: old.gid });
    const linked = spool.isLinkable ? linkNameless(fd, name) : 0;
    if (linked < 0) throw pathError("replace", path, -linked);
    withPath("replace", path, () => renameSync(name, place.path));
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
