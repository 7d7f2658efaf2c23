// Moves a file or directory, as rename(2) does; to another file system by a copy that takes the
// destination's place when it is complete.

import { type BigIntStats, closeSync, constants as flags, fstatSync, lstatSync, renameSync } from "node:fs";
import { constants } from "node:os";
import { kernelRandomUuid, O_PATH } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import type { Owner } from "../threads/basic-operations.ts";
import { type OpenFolder, openFolderOf, splitPath } from "../threads/open-folder.ts";
import { atPlace, openPath } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { copyTree } from "./copy-tree.ts";
import { openMissing } from "./make-directory.ts";
import { removeTree, removeTreeIn } from "./remove.ts";

const E = constants.errno;

/** Makes the directories above `to` and gives them to `owner`. */
export function move(context: OperationContext, from: Buffer, to: Buffer, owner: Owner | undefined): void {
  withPath("move", from, () =>
    atPlace(from, (source) => {
      lstatSync(source.path);
      const { folder, name } = splitPath(to);
      const fd = openMissing(context, folder, owner, folder);
      try {
        const target = openFolderOf(fd);
        const places = { from, to, source: source.path, folder: target, name };
        moveTo(context, places);
      } finally {
        closeSync(fd);
      }
    }),
  );
}

/** The directories of both are open: even if other programs swap names meanwhile, nothing else is moved. */
interface MovePlaces {
  readonly from: Buffer;
  readonly to: Buffer;
  /** The path by which the kernel finds the source. */
  readonly source: Buffer;
  readonly folder: OpenFolder;
  readonly name: Buffer;
}

function moveTo(context: OperationContext, places: MovePlaces): void {
  const { from, to, source, folder, name } = places;
  context.step();
  // A slash at the end asks for a directory.
  const withSlash = (path: Buffer, asked: Buffer) =>
    asked[asked.length - 1] === SLASH[0] && asked.length > 1 ? Buffer.concat([path, SLASH]) : path;
  const errno = renameFailure(withSlash(source, from), withSlash(folder.at(name), to));
  if (errno === undefined) return;
  if (errno !== E.EXDEV) throw moveError(from, to, errno);
  moveByCopy(context, places);
}

const SLASH = Buffer.from("/");

function moveByCopy(context: OperationContext, { from, to, source, folder, name }: MovePlaces): void {
  if (name.length === 0) throw moveError(from, to, E.EBUSY);
  // rename(2) does not look for this if another file system is mounted in the source. The copy would never end.
  if (isAtOrBelow(folder.fd, lstatSync(source, { bigint: true }))) throw moveError(from, to, E.EINVAL);
  const copy = Buffer.from(`.holdfast-${kernelRandomUuid()}.move`);
  try {
    copyTree(context, source, folder.at(copy), from);
    const errno = renameFailure(folder.at(copy), folder.at(name));
    if (errno !== undefined) throw moveError(from, to, errno);
  } catch (error) {
    removeTreeIn({ ...context, step: () => undefined }, folder, copy, to);
    throw error;
  }
  try {
    removeTree(context, from);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new FileError(
      error.code,
      `"${pathText(to)}" is complete, but "${pathText(from)}" is still there: ${error.message}`,
      error.errno,
    );
  }
}

/** Whether the open directory is `top` or is in it, also through mounts. */
function isAtOrBelow(folder: number, top: BigIntStats): boolean {
  let at = openPath(Buffer.from("."), O_PATH | flags.O_DIRECTORY, { from: folder });
  try {
    for (;;) {
      const here = fstatSync(at, { bigint: true });
      if (isSame(here, top)) return true;
      const above = openPath(Buffer.from(".."), O_PATH | flags.O_DIRECTORY, { from: at });
      closeSync(at);
      at = above;
      // The root is its own parent.
      if (isSame(fstatSync(at, { bigint: true }), here)) return false;
    }
  } finally {
    closeSync(at);
  }
}

function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

function renameFailure(from: Buffer, to: Buffer): number | undefined {
  try {
    renameSync(from, to);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return errno;
  }
}

function moveError(from: Buffer, to: Buffer, errno: number): FileError {
  const problem = problems.get(errno);
  if (problem === undefined) return pathError(`move "${pathText(from)}" to`, to, errno);
  const [code, text] = problem;
  return new FileError(code, `cannot move "${pathText(from)}" to "${pathText(to)}": ${text}`, errno);
}

const problems = new Map<number, readonly [code: "failed_precondition" | "invalid_argument", text: string]>([
  [E.ENOTDIR, ["failed_precondition", "the destination is a file and the source a directory"]],
  [E.EISDIR, ["failed_precondition", "the destination is a directory and the source is not"]],
  [E.ENOTEMPTY, ["failed_precondition", "the destination is a directory that is not empty"]],
  [E.EEXIST, ["failed_precondition", "the destination is a directory that is not empty"]],
  [E.EINVAL, ["invalid_argument", "a directory cannot be moved into itself"]],
]);
