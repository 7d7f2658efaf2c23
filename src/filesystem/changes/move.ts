// Moves a file or directory, as rename(2) does; to another file system by a copy that takes the
// destination's place when it is complete.

import { lstatSync, renameSync } from "node:fs";
import { constants } from "node:os";
import { kernelRandomUuid } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, pathText, withPath } from "../file-error.ts";
import type { Owner } from "../threads/basic-operations.ts";
import { splitPath } from "../threads/open-folder.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { copyTree } from "./copy-tree.ts";
import { makeMissing } from "./make-directory.ts";
import { removeTree } from "./remove.ts";

const E = constants.errno;

/** Makes the directories above `to` and gives them to `owner`. */
export function move(context: OperationContext, from: Buffer, to: Buffer, owner: Owner | undefined): void {
  withPath("move", from, () => lstatSync(from));
  const { folder } = splitPath(to);
  makeMissing(context, folder, owner, folder);
  context.step();
  const errno = renameFailure(from, to);
  if (errno === undefined) return;
  if (errno !== E.EXDEV) throw moveError(from, to, errno);
  moveByCopy(context, from, to);
}

function moveByCopy(context: OperationContext, from: Buffer, to: Buffer): void {
  const { folder, name } = splitPath(to);
  const copy = Buffer.from(`${folder.toString("latin1")}/.holdfast-${kernelRandomUuid()}.move`, "latin1");
  if (name.length === 0) throw moveError(from, to, E.EBUSY);
  try {
    copyTree(context, from, copy);
    const errno = renameFailure(copy, to);
    if (errno !== undefined) throw moveError(from, to, errno);
  } catch (error) {
    removeTree({ ...context, step: () => undefined }, copy);
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
