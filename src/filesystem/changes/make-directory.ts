// Makes directories and the missing ones above them, and gives them to their owner.

import { closeSync, constants } from "node:fs";
import { constants as system } from "node:os";
import { O_PATH } from "../../linux/index.ts";
import { errnoOf, FileError, pathError, pathText } from "../file-error.ts";
import type { Owner } from "../threads/basic-operations.ts";
import { openMadeFolder } from "../threads/make-folders.ts";
import { openPath } from "../threads/open-path.ts";
import type { OperationContext } from "../threads/operation-context.ts";

const E = system.errno;

/** Throws `already_exists` if `path` is a directory, also through a link, and `invalid_argument` if it is something else. */
export function makeDirectory(context: OperationContext, path: Buffer, owner: Owner | undefined): void {
  if (isDirectory(path))
    throw new FileError("already_exists", `directory "${pathText(path)}" exists`, E.EEXIST);
  closeSync(openMissing(context, path, owner, path));
}

/**
 * Existing directories stay as they are. `asked` is the path that messages name. The caller closes
 * the descriptor.
 */
export function openMissing(
  context: OperationContext,
  path: Buffer,
  owner: Owner | undefined,
  asked: Buffer,
): number {
  return openMadeFolder({
    path,
    owner,
    step: context.step,
    notDirectory: (at) =>
      at.equals(asked)
        ? new FileError("invalid_argument", `"${pathText(path)}" exists and is not a directory`, E.EEXIST)
        : new FileError(
            "invalid_argument",
            `cannot make the directory "${pathText(asked)}": "${pathText(at)}" is not a directory`,
            E.ENOTDIR,
          ),
  });
}

function isDirectory(path: Buffer): boolean {
  try {
    closeSync(openPath(path, O_PATH | constants.O_DIRECTORY));
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === E.ENOENT || errno === E.ENOTDIR) return false;
    throw errno === undefined ? error : pathError("look up", path, errno);
  }
}
