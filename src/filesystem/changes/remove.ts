// Removes a file, or a directory with everything in it. A missing path is success. Links are removed
// and never followed, also when they are swapped in meanwhile. Each level of the recursion holds a
// descriptor, so what lies deeper is moved up first: a tree may be deeper than any stack.

import { renameSync, rmdirSync, unlinkSync } from "node:fs";
import { constants } from "node:os";
import { kernelRandomUuid } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, withPath } from "../file-error.ts";
import { namesIn, type OpenFolder, withFolder } from "../threads/open-folder.ts";
import { atPlace } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";

const E = constants.errno;

/** How often a directory is emptied again when other programs add to it. */
const MAX_ROUNDS = 8;

const MAX_DEPTH = 256;

/** Removes everything that it can, then throws the first failure. */
export function removeTree(context: OperationContext, path: Buffer): void {
  const removal = new Removal(context);
  try {
    withPath("remove", path, () => atPlace(path, ({ folder, name }) => removal.one(folder, name, path)));
  } catch (error) {
    if (error instanceof FileError && (error.errno === E.ENOENT || error.errno === E.ENOTDIR)) return;
    throw error;
  }
  removal.finish();
}

/** The same for the entries of an open directory. */
export function removeTreeIn(
  context: OperationContext,
  folder: OpenFolder,
  name: Buffer,
  shownPath: Buffer,
): void {
  const removal = new Removal(context);
  removal.one(folder, name, shownPath);
  removal.finish();
}

class Removal {
  readonly #context: OperationContext;
  #failure: FileError | undefined;
  /** The open directories, from the top one on. */
  readonly #open: OpenFolder[] = [];
  /** Something was moved into the top one since it was listed. */
  #hasMovedUp = false;

  constructor(context: OperationContext) {
    this.#context = context;
  }

  one(folder: OpenFolder, name: Buffer, shownPath: Buffer): void {
    this.#context.step();
    const path = folder.at(name);
    const errno = failureOf(() => unlinkSync(path));
    if (errno === undefined || errno === E.ENOENT) return;
    // EPERM: some file systems say it for directories.
    if (errno !== E.EISDIR && errno !== E.EPERM) {
      this.#fail(shownPath, errno);
      return;
    }
    try {
      const [top] = this.#open;
      if (top !== undefined && this.#open.length >= MAX_DEPTH) this.#moveUp(path, top, shownPath);
      else this.#directory(path, shownPath, errno);
    } catch (error) {
      if (!(error instanceof FileError) || error.errno === 0) throw error;
      if (error.errno !== E.ENOENT) this.#failure ??= error;
    }
  }

  finish(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #directory(path: Buffer, shownPath: Buffer, errnoOfUnlink: number): void {
    for (let round = 1; ; round++) {
      this.#empty(path, shownPath, errnoOfUnlink);
      const errno = failureOf(() => rmdirSync(path));
      if (errno === undefined || errno === E.ENOENT) return;
      const hasMore = errno === E.ENOTEMPTY || errno === E.EEXIST;
      if (hasMore && this.#hasMovedUp && this.#open.length === 0) continue;
      if (hasMore && this.#failure === undefined && round < MAX_ROUNDS) continue;
      this.#fail(shownPath, errno);
      return;
    }
  }

  #empty(path: Buffer, shownPath: Buffer, errnoOfUnlink: number): void {
    try {
      withFolder("remove", path, shownPath, (folder) => {
        if (this.#open.length === 0) this.#hasMovedUp = false;
        this.#open.push(folder);
        try {
          // All names first: removing while reading skips names on some file systems.
          for (const name of [...namesIn(folder)])
            this.one(folder, name, Buffer.concat([shownPath, SLASH, name]));
        } finally {
          this.#open.pop();
        }
      });
    } catch (error) {
      if (!(error instanceof FileError) || error.errno === 0) throw error;
      // Not a directory: then the failure of unlink counts.
      if (error.errno === E.ENOTDIR || error.errno === E.ELOOP)
        throw pathError("remove", shownPath, errnoOfUnlink);
      // An unreadable directory can be removed if it is empty.
      if (error.errno !== E.EACCES) throw error;
    }
  }

  #moveUp(path: Buffer, top: OpenFolder, shownPath: Buffer): void {
    const name = Buffer.from(`.holdfast-removed-${kernelRandomUuid()}`);
    withPath("remove", shownPath, () => renameSync(path, top.at(name)));
    this.#hasMovedUp = true;
  }

  #fail(path: Buffer, errno: number): void {
    this.#failure ??= pathError("remove", path, errno);
  }
}

const SLASH = Buffer.from("/");

function failureOf(call: () => void): number | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return errno;
  }
}
