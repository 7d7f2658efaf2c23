// Makes the directory of a new file, and gives it to the owner. Runs on a file thread.

import { constants } from "node:os";
import { pathError } from "../file-error.ts";
import type { Owner } from "../threads/basic-operations.ts";
import { openMadeFolder } from "../threads/make-folders.ts";
import type { OpenPathOptions } from "../threads/open-path.ts";
import { parentOf } from "./target.ts";

/** Existing directories stay as they are. The caller closes the descriptor. */
export function openParent(path: Buffer, owner: Owner | undefined, options?: OpenPathOptions): number {
  return openMadeFolder({
    path: parentOf(path),
    owner,
    step: () => undefined,
    notDirectory: () => pathError("create", path, constants.errno.ENOTDIR),
    ...(options === undefined ? {} : { options }),
  });
}
