// Lists a directory: parents before their children, siblings in the order of their bytes, in parts.
// Opens no directory below the asked depth. Follows the link at the root only. An entry that
// disappears meanwhile is left out; a directory that cannot be read is reported, and the others are
// listed.

import { closeSync, constants as flags } from "node:fs";
import { constants } from "node:os";
import { O_PATH, refreshIdNames } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { errnoOf, FileError, pathError } from "../file-error.ts";
import { namesIn, type OpenFolder, withFolder, withOpened } from "../threads/open-folder.ts";
import { openPath } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { type Entry, orGone, readEntry } from "./entry.ts";

const E = constants.errno;

/** How many entries a part has: the agent converts one in about a millisecond. */
const PART_ENTRIES = 250;

/** Names in one directory: they are sorted, so they are in memory together. */
const MAX_NAMES = 1_000_000;

/** Deeper, each level would hold a descriptor. */
const MAX_DEPTH = 512;

export interface ListRequest {
  readonly path: string;
  /** As answers show the root. */
  readonly shownPath: string;
  readonly depth: number;
  readonly maxEntries: number;
  /** The names from the root to the entry after which to begin. */
  readonly after: readonly Uint8Array[] | undefined;
}

export interface ListResult {
  /** The names from the root to the last entry, if there are more. */
  readonly last: readonly Uint8Array[] | undefined;
  /** Directories below the root that could not be read. */
  readonly unreadable: readonly string[];
}

/** Emits `Entry[]` parts. */
export function listDirectory(context: OperationContext, request: ListRequest): ListResult {
  refreshIdNames();
  const list = new List(context, request);
  withOpened(
    "list",
    request.path,
    () => openRoot(request.path),
    (folder) =>
      list.folder(folder, {
        shownPath: request.shownPath,
        above: [],
        after: request.after,
        depth: Math.min(request.depth, MAX_DEPTH),
      }),
  );
  return list.finish();
}

function openRoot(path: string): number {
  const bytes = Buffer.from(path);
  try {
    return openPath(bytes, flags.O_RDONLY | flags.O_DIRECTORY);
  } catch (error) {
    if (errnoOf(error) !== E.ENOTDIR || !exists(bytes)) throw error;
    throw new FileError(
      "invalid_argument",
      `cannot list "${clip(path)}": it is not a directory (ENOTDIR)`,
      E.ENOTDIR,
    );
  }
}

function exists(path: Buffer): boolean {
  try {
    closeSync(openPath(path, O_PATH));
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

interface Place {
  readonly shownPath: string;
  readonly above: readonly Uint8Array[];
  readonly after: readonly Uint8Array[] | undefined;
  readonly depth: number;
}

class List {
  readonly #context: OperationContext;
  readonly #maxEntries: number;
  readonly #unreadable: string[] = [];
  #part: Entry[] = [];
  #count = 0;
  #last: readonly Uint8Array[] | undefined;
  #isFull = false;

  constructor(context: OperationContext, { maxEntries }: ListRequest) {
    this.#context = context;
    this.#maxEntries = maxEntries;
  }

  folder(folder: OpenFolder, { shownPath, above, after, depth }: Place): void {
    const [first, ...rest] = after ?? [];
    for (const name of sortedNames(folder, shownPath)) {
      const order = first === undefined ? 1 : Buffer.compare(name, first);
      if (order < 0) continue;
      this.#context.step();
      const child = `${shownPath === "/" ? "" : shownPath}/${name.toString()}`;
      const place = { folder, name, path: folder.at(name) };
      const entry = orGone(() => readEntry(place, child, name.toString()));
      if (entry === undefined) continue;
      const names = [...above, name];
      // At or above the place where the last page ended: it was listed there.
      if (order > 0 && !this.#add(entry, names)) return;
      const deeper = { shownPath: child, above: names, depth: depth - 1 };
      const restHere = order === 0 && rest.length > 0 ? rest : undefined;
      if (depth > 1 && entry.type === "directory" && entry.symlinkTarget === undefined)
        this.#below(folder.at(name), { ...deeper, after: restHere });
      if (this.#isFull) return;
    }
  }

  finish(): ListResult {
    this.#flush();
    return { last: this.#isFull ? this.#last : undefined, unreadable: this.#unreadable };
  }

  #below(path: Buffer, place: Place): void {
    try {
      withFolder("list", path, place.shownPath, (folder) => this.folder(folder, place));
    } catch (error) {
      if (!(error instanceof FileError) || error.errno === 0) throw error;
      // It disappeared, or became a file or a link.
      if ([E.ENOENT, E.ENOTDIR, E.ELOOP].includes(error.errno)) return;
      this.#unreadable.push(place.shownPath);
    }
  }

  #add(entry: Entry, names: readonly Uint8Array[]): boolean {
    if (this.#count >= this.#maxEntries) {
      this.#isFull = true;
      return false;
    }
    this.#count++;
    this.#last = names;
    this.#part.push(entry);
    if (this.#part.length >= PART_ENTRIES) this.#flush();
    return true;
  }

  #flush(): void {
    if (this.#part.length > 0) this.#context.emit(this.#part);
    this.#part = [];
  }
}

function sortedNames(folder: OpenFolder, shownPath: string): Buffer[] {
  const names: Buffer[] = [];
  try {
    for (const name of namesIn(folder)) {
      if (names.length >= MAX_NAMES)
        throw new FileError(
          "resource_exhausted",
          `directory "${shownPath}" has more than ${MAX_NAMES} entries; list it with a command`,
        );
      names.push(name);
    }
  } catch (error) {
    const errno = error instanceof FileError ? undefined : errnoOf(error);
    throw errno === undefined ? error : pathError("list", shownPath, errno);
  }
  return names.sort(Buffer.compare);
}
