// Creates the entries of an archive below a directory that is open already. A file appears with its
// whole content: under a name that exists already it takes the place of the old one by a rename.
// Runs on a file thread.

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { linkNameless, nameOf, nextData } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, pathText } from "../file-error.ts";
import { giveTo, type Owner } from "../threads/basic-operations.ts";
import { isNewFolder } from "../threads/open-folder.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { copyAll, writeAll } from "../transfer/copy-in.ts";
import { inheritGroup } from "../transfer/inherited-group.ts";
import { openParent } from "../transfer/parents.ts";
import { removeIfThere } from "../transfer/redo-record.ts";
import { momentaryName } from "../transfer/spool.ts";
import { inFolder, inParent, openBelow } from "./below.ts";

/** How an entry gets its owner, mode and times. */
export interface EntryAttributes {
  readonly mode: number;
  readonly mtimeMs: number;
  /** Undefined: that of the thread. */
  readonly owner: Owner | undefined;
}

/** One thing to create. Paths are relative to the root and have no `..`. */
export type UnpackStep =
  | ({ readonly kind: "directory"; readonly path: string } & EntryAttributes)
  | ({ readonly kind: "file"; readonly path: string; readonly content: Uint8Array } & EntryAttributes)
  /** `fd`: a nameless file with the whole content. */
  | ({
      readonly kind: "spooled";
      readonly path: string;
      readonly fd: number;
      readonly isLinkable: boolean;
      readonly bytes: number;
    } & EntryAttributes)
  | ({ readonly kind: "symlink"; readonly path: string; readonly target: string } & EntryAttributes)
  | { readonly kind: "link"; readonly path: string; readonly to: string }
  /** The last change of a directory: later entries would change its time again. */
  | ({ readonly kind: "finished"; readonly path: string } & EntryAttributes);

/** Opens the directory, after creating it if it is missing. The receiver closes the descriptor. */
export function openUnpackRoot(
  _context: OperationContext,
  path: Uint8Array,
  owner: Owner | undefined,
): number {
  const fd = openParent(Buffer.concat([path, Buffer.from("/x")]), owner);
  try {
    // The one that was found may be open without the right to read it.
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_DIRECTORY);
  } finally {
    closeSync(fd);
  }
}

/** If a step fails, emits how many were done before it. */
export function unpackEntries(context: OperationContext, root: number, steps: readonly UnpackStep[]): void {
  const folders = openFolders(root);
  let done = 0;
  try {
    for (const step of steps) {
      unpackEntry(context, root, step, folders);
      done++;
    }
  } catch (error) {
    context.emit(done);
    throw error;
  } finally {
    folders.close();
  }
}

/** The directory of the last entry stays open: entries of one directory follow each other. */
interface Folders {
  /** The open directory above `path`, created if it is missing. Valid until the next call. */
  above(path: Buffer, owner: Owner | undefined): number;
  close(): void;
}

function openFolders(root: number): Folders {
  let last: { readonly path: Buffer; readonly fd: number } | undefined;
  const close = () => {
    if (last !== undefined) closeSync(last.fd);
    last = undefined;
  };
  return {
    close,
    above: (path, owner) => {
      const parent = path.subarray(0, Math.max(path.lastIndexOf("/"), 0));
      if (last?.path.equals(parent) === true) return last.fd;
      close();
      const fd = openFolder(root, parent, owner);
      last = { path: parent, fd };
      return fd;
    },
  };
}

function unpackEntry(context: OperationContext, root: number, step: UnpackStep, folders: Folders): void {
  context.step();
  try {
    create(context, root, step, folders);
  } catch (error) {
    const errno = error instanceof FileError ? error.errno : errnoOf(error);
    if (errno === undefined || errno === 0) throw error;
    if (nameOf(errno) === "ELOOP" || nameOf(errno) === "EXDEV") throw throughLink(step.path, errno);
    throw pathError("unpack", step.path, errno);
  }
}

function create(context: OperationContext, root: number, step: UnpackStep, folders: Folders): void {
  const path = Buffer.from(step.path);
  if (step.kind === "finished") {
    finishDirectory(root, path, step);
    return;
  }
  if (path.length === 0) return;
  const folder = folders.above(path, step.kind === "link" ? undefined : step.owner);
  const place = inFolder(folder, path.subarray(path.lastIndexOf("/") + 1));
  if (step.kind === "directory") makeDirectory(place, step);
  else if (step.kind === "file") createFile(place, folder, step);
  else if (step.kind === "spooled") nameFile(context, place, folder, step);
  else if (step.kind === "symlink") {
    replacing(place, folder, (name) => symlinkSync(step.target, name));
    if (step.owner !== undefined) lchownSync(place, step.owner.uid, step.owner.gid);
  } else
    inParent(root, Buffer.from(step.to), (from) => replacing(place, folder, (name) => linkSync(from, name)));
}

/** Creates missing directories, for archives that do not list their directories. The caller closes it. */
function openFolder(root: number, path: Buffer, owner: Owner | undefined): number {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  try {
    return openBelow(root, path, flags);
  } catch (error) {
    if (!(error instanceof FileError) || nameOf(error.errno) !== "ENOENT") throw error;
  }
  const end = path.lastIndexOf("/");
  const parent = openFolder(root, path.subarray(0, Math.max(end, 0)), owner);
  try {
    makeDirectory(inFolder(parent, path.subarray(end + 1)), { mode: 0o755, mtimeMs: 0, owner });
  } finally {
    closeSync(parent);
  }
  return openBelow(root, path, flags);
}

/** Searchable and writable for its owner until it is finished. */
function makeDirectory(place: Buffer, { mode, owner }: EntryAttributes): void {
  const sinceMs = Date.now();
  try {
    mkdirSync(place, mode | 0o700);
  } catch (error) {
    if (nameOf(errnoOf(error) ?? 0) !== "EEXIST" || !lstatSync(place).isDirectory()) throw error;
    return;
  }
  if (owner === undefined) return;
  const fd = openSync(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if (isNewFolder(fd, sinceMs)) giveTo(fd, owner);
  } finally {
    closeSync(fd);
  }
}

function finishDirectory(root: number, path: Buffer, attributes: EntryAttributes): void {
  const fd = openBelow(root, path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    apply(fd, attributes, path.length > 0);
  } finally {
    closeSync(fd);
  }
}

/** The owner first: a change of it clears the set-id bits of the mode. */
function apply(fd: number, { mode, mtimeMs, owner }: EntryAttributes, setsOwner = true): void {
  if (owner !== undefined && setsOwner) {
    try {
      fchownSync(fd, owner.uid, owner.gid);
    } catch {
      // Some mounts know one owner only; see giveTo.
    }
  }
  fchmodSync(fd, mode);
  // Not as a number: Node takes a negative one for the present.
  const modified = new Date(mtimeMs);
  futimesSync(fd, modified, modified);
}

function createFile(place: Buffer, folder: number, step: UnpackStep & { kind: "file" }): void {
  replacing(place, folder, (name) => {
    const fd = openSync(name, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      writeAll(fd, step.content, 0, Buffer.from(step.path));
      apply(fd, step);
    } catch (error) {
      unlinkSync(name);
      throw error;
    } finally {
      closeSync(fd);
    }
  });
}

function nameFile(
  context: OperationContext,
  place: Buffer,
  folder: number,
  step: UnpackStep & { kind: "spooled" },
): void {
  apply(step.fd, step);
  const isLinkable = step.isLinkable && (step.owner !== undefined || inheritGroup(step.fd, folder));
  replacing(place, folder, (name) => {
    const result = isLinkable ? linkNameless(step.fd, name) : -EXDEV;
    if (result === 0) return;
    if (!cannotLink.has(nameOf(-result))) throw Object.assign(new Error(nameOf(-result)), { errno: -result });
    copyFile(context, name, step);
  });
}

const EXDEV = 18;
/** The file system, or a rule of the kernel, gives no names to nameless files. */
const cannotLink = new Set(["EXDEV", "EPERM", "ENOENT", "EOPNOTSUPP"]);

/** Its holes stay holes. */
function copyFile(context: OperationContext, name: Buffer, step: UnpackStep & { kind: "spooled" }): void {
  const path = Buffer.from(step.path);
  const to = openSync(name, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    const { size } = fstatSync(step.fd);
    for (let at = 0; at < size; ) {
      const data = nextData(step.fd, at, size);
      if (data === undefined) break;
      const { start, end } = data;
      copyAll(context, { from: step.fd, fromAt: start, to, toAt: start, bytes: end - start }, path);
      at = end;
    }
    ftruncateSync(to, size);
    apply(to, step);
  } catch (error) {
    unlinkSync(name);
    throw error;
  } finally {
    closeSync(to);
  }
}

/** Calls `make` with the name; if that exists, with another name that then takes its place. */
function replacing(place: Buffer, folder: number, make: (name: Buffer) => void): void {
  try {
    make(place);
  } catch (error) {
    if (nameOf(Math.abs(errnoOf(error) ?? 0)) !== "EEXIST") throw error;
    const name = momentaryName(inFolder(folder, Buffer.from(".")));
    make(name);
    try {
      renameSync(name, place);
    } catch (failure) {
      unlinkSync(name);
      throw failure;
    }
    // rename(2) does nothing if both are names of one file.
    removeIfThere(name);
  }
}

function throughLink(path: string, errno: number): FileError {
  return new FileError(
    "invalid_argument",
    `cannot unpack "${pathText(path)}": a part of it is a symbolic link, which could lead out of the directory`,
    errno,
  );
}
