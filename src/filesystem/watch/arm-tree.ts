// Adds the inotify watches of a directory and of all directories below it, on a file thread. A
// directory is watched before it is listed, so an entry that appears in it is either listed or
// reported by the kernel. An entry that disappears meanwhile is left out.

import { closeSync, constants as flags, fstatSync, lstatSync, readlinkSync, statfsSync } from "node:fs";
import { constants } from "node:os";
import { addWatch, type Fd, IN, O_PATH, type WatchDescriptor } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import { childrenOf, type OpenFolder, withFolder, withOpened } from "../threads/open-folder.ts";
import { atPlace, openPath } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { createGlobs } from "./globs.ts";

const E = constants.errno;
const PART_ITEMS = 500;
/** Deeper, each level would hold a descriptor. */
const MAX_DEPTH = 512;

const MASK =
  IN.MODIFY | IN.ATTRIB | IN.MOVED_FROM | IN.MOVED_TO | IN.CREATE | IN.DELETE | IN.DELETE_SELF | IN.MOVE_SELF;

export interface ArmRequest {
  /** Of the inotify instance. */
  readonly fd: Fd;
  readonly path: Uint8Array;
  /** From the root of the watch to `path`; empty for the root. */
  readonly names: readonly Uint8Array[];
  readonly recursive: boolean;
  readonly exclude: readonly string[];
  readonly allowNetwork: boolean;
  /** How many directories this watch may have in addition. */
  readonly maxDirectories: number;
  /** Also reports the entries of the directories. */
  readonly listEntries: boolean;
}

/** A directory that is watched now. */
export interface ArmedDirectory {
  readonly kind: "directory";
  readonly names: readonly Uint8Array[];
  readonly watch: WatchDescriptor;
}

/** Something in a watched directory, the parent before its children. */
export interface FoundEntry {
  readonly kind: "entry";
  readonly names: readonly Uint8Array[];
  /** Of a regular file with content. */
  readonly hasContent: boolean;
}

export type ArmItem = ArmedDirectory | FoundEntry;

/** Types of statfs, in which other machines and programs change files without a word to inotify. */
const NETWORK_TYPES = new Map<number, string>([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB2"],
  [0x65735546, "FUSE"],
]);

/** Emits `ArmItem[]` parts. Throws if the directory itself cannot be watched. */
export function armTree(context: OperationContext, request: ArmRequest): void {
  const path = Buffer.from(request.path);
  const isRoot = request.names.length === 0;
  const arming = new Arming(context, request);
  // The link at the root of a watch is followed, and no other.
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = flags;
  const open = () => openPath(path, O_RDONLY | O_DIRECTORY | (isRoot ? 0 : O_NOFOLLOW));
  try {
    withOpened(
      "watch",
      path,
      () => (isRoot ? openRoot(path, open) : open()),
      (folder) => {
        if (isRoot) checkRoot(folder, path, request.allowNetwork);
        arming.directory(folder, request.names, path);
      },
    );
  } finally {
    // Also after a failure: the caller removes the watches that were added.
    arming.flush();
  }
}

function openRoot(path: Buffer, open: () => number): number {
  try {
    return open();
  } catch (error) {
    if (errnoOf(error) !== E.ENOTDIR || !exists(path)) throw error;
    throw new FileError(
      "invalid_argument",
      `cannot watch "${pathText(path)}": it is not a directory`,
      E.ENOTDIR,
    );
  }
}

function checkRoot(root: OpenFolder, path: Buffer, allowNetwork: boolean): void {
  const { type } = withPath("watch", path, () => statfsSync(root.at(Buffer.from("."))));
  // The type is signed on some systems.
  const network = NETWORK_TYPES.get(Number(type) >>> 0);
  if (network === undefined || allowNetwork) return;
  throw new FileError(
    "invalid_argument",
    `cannot watch "${pathText(path)}": it is on a network file system (${network}), whose changes by others are not reported; ` +
      "set allow_network_mounts to watch it anyway",
  );
}

class Arming {
  readonly #context: OperationContext;
  readonly #request: ArmRequest;
  readonly #isExcluded: (path: string) => boolean;
  #items: ArmItem[] = [];
  #directories = 0;

  constructor(context: OperationContext, request: ArmRequest) {
    this.#context = context;
    this.#request = request;
    this.#isExcluded = createGlobs(request.exclude);
  }

  directory(folder: OpenFolder, names: readonly Uint8Array[], shownPath: Buffer): void {
    this.#context.step();
    this.#watch(folder, names, shownPath);
    const { recursive, listEntries } = this.#request;
    if (!recursive && !listEntries) return;
    for (const { name, isDirectory } of [...childrenOf(folder)]) {
      const below = [...names, name];
      if (this.#isExcluded(below.map((part) => Buffer.from(part).toString()).join("/"))) continue;
      this.#child(folder, below, isDirectory);
    }
  }

  flush(): void {
    if (this.#items.length > 0) this.#context.emit(this.#items);
    this.#items = [];
  }

  #watch({ fd }: OpenFolder, names: readonly Uint8Array[], shownPath: Buffer): void {
    const { maxDirectories } = this.#request;
    if (++this.#directories > maxDirectories)
      throw new FileError(
        "resource_exhausted",
        "the watch has too many directories: exclude some, or watch fewer at a time",
      );
    // Through the descriptor: it is the directory that is listed.
    const added = addWatch(this.#request.fd, Buffer.from(`/proc/self/fd/${fd}/.`), MASK);
    if ("watch" in added) this.#add({ kind: "directory", names, watch: added.watch });
    else throw watchError(shownPath, added.errno);
  }

  #child(folder: OpenFolder, names: readonly Uint8Array[], isDirectory: boolean | undefined): void {
    this.#context.step();
    const name = names.at(-1) ?? Buffer.alloc(0);
    const path = folder.at(name);
    const { recursive, listEntries } = this.#request;
    if (listEntries) {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return;
      this.#add({ kind: "entry", names, hasContent: stats.isFile() && stats.size > 0 });
    }
    if (!recursive || isDirectory === false || names.length > MAX_DEPTH) return;
    try {
      withFolder("watch", path, path, (below) => {
        if (isDirectory === true || fstatSync(below.fd).isDirectory())
          this.directory(below, names, Buffer.concat(joined(this.#request, names)));
      });
    } catch (error) {
      if (!(error instanceof FileError) || !IGNORED.has(error.errno)) throw error;
    }
  }

  #add(item: ArmItem): void {
    this.#items.push(item);
    if (this.#items.length >= PART_ITEMS) this.flush();
  }
}

/** The path of `names` as messages show it. */
function joined({ path, names: base }: ArmRequest, names: readonly Uint8Array[]): Uint8Array[] {
  return [path, ...names.slice(base.length).flatMap((name) => [Buffer.from("/"), name])];
}

/** It is gone, is not a directory any more, or this user may not read it. */
const IGNORED: ReadonlySet<number> = new Set([E.ENOENT, E.ENOTDIR, E.ELOOP, E.EACCES, E.EPERM]);

function watchError(path: Buffer, errno: number): FileError {
  if (errno !== E.ENOSPC) return pathError("watch", path, errno);
  return new FileError(
    "resource_exhausted",
    `cannot watch "${pathText(path)}": this user has as many inotify watches as the system allows; raise the sysctl fs.inotify.max_user_watches`,
    errno,
  );
}

/**
 * Watches the nearest existing directory on the way to `path`, so that its return is noticed. The way also leads through links,
 * at the end of it and to nothing.
 */
export function armNearest(context: OperationContext, fd: Fd, path: Uint8Array): WatchDescriptor {
  let names = namesOf(path);
  for (let links = 0; links <= MAX_LINKS; links++) {
    const found = watchNearest(context, fd, names);
    if (found === undefined) break;
    const link = readLink(pathOf(names.slice(0, found.count + 1)));
    if (link === undefined) return found.watch;
    const above = link[0] === SLASH ? [] : names.slice(0, found.count);
    names = [...above, ...namesOf(link), ...names.slice(found.count + 1)];
  }
  throw pathError("watch", path, E.ENOENT);
}

/** As the kernel's own limit. */
const MAX_LINKS = 40;
const SLASH = 0x2f;

/** `count`: how many of the names lead to the directory that is watched. */
function watchNearest(
  context: OperationContext,
  fd: Fd,
  names: readonly string[],
): { readonly watch: WatchDescriptor; readonly count: number } | undefined {
  for (let count = names.length - 1; count >= 0; count--) {
    context.step();
    const watch = watchFolder(fd, pathOf(names.slice(0, count)));
    if (watch !== undefined) return { watch, count };
  }
  return undefined;
}

/** In Latin-1, which keeps every byte. */
function namesOf(path: Uint8Array): string[] {
  return Buffer.from(path).toString("latin1").split("/").filter(Boolean);
}

function pathOf(names: readonly string[]): Buffer {
  return Buffer.from(`/${names.join("/")}`, "latin1");
}

/** Undefined for everything that is not a link. */
function readLink(path: Buffer): Buffer | undefined {
  try {
    return atPlace(path, (place) => readlinkSync(place.path, "buffer"));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function watchFolder(fd: Fd, path: Buffer): WatchDescriptor | undefined {
  let folder: number;
  try {
    folder = openPath(path, O_PATH | flags.O_DIRECTORY);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  try {
    const added = addWatch(fd, Buffer.from(`/proc/self/fd/${folder}/.`), MASK | IN.ONLYDIR);
    return "watch" in added ? added.watch : undefined;
  } finally {
    closeSync(folder);
  }
}

function exists(path: Buffer): boolean {
  try {
    closeSync(openPath(path, O_PATH | flags.O_NOFOLLOW));
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
