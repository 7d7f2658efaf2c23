// Operations that change the tree of files.

import { refreshIdNames } from "../../linux/index.ts";
import { atEntry } from "../entries/at-entry.ts";
import { type Entry, readEntry } from "../entries/entry.ts";
import { baseName } from "../entries/entry-operations.ts";
import { withPath } from "../file-error.ts";
import type { Owner } from "../threads/basic-operations.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { makeDirectory } from "./make-directory.ts";
import { move } from "./move.ts";
import { removeTree } from "./remove.ts";

export const changeOperations = {
  /** See makeDirectory. */
  makeDirectory: (context: OperationContext, path: string, owner: Owner): Entry => {
    makeDirectory(context, Buffer.from(path), owner);
    return entryAt(path);
  },

  move: (context: OperationContext, from: string, to: string, owner: Owner): Entry => {
    move(context, Buffer.from(from), Buffer.from(to), owner);
    return entryAt(to);
  },

  remove: (context: OperationContext, path: string): void => removeTree(context, Buffer.from(path)),
};

function entryAt(path: string): Entry {
  refreshIdNames();
  return withPath("look up", path, () =>
    atEntry(Buffer.from(path), (place) => readEntry(place, path, baseName(path))),
  );
}
