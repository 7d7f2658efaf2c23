// Operations that read entries.

import { basename } from "node:path";
import { refreshIdNames } from "../../linux/index.ts";
import { withPath } from "../file-error.ts";
import type { OperationContext } from "../threads/operation-context.ts";
import { atEntry } from "./at-entry.ts";
import { type Entry, orGone, readEntry } from "./entry.ts";
import { listDirectory } from "./listing.ts";

export const entryOperations = {
  /** Throws `not_found` if there is none. */
  entry: (_context: OperationContext, path: string): Entry => {
    refreshIdNames();
    return withPath("look up", path, () =>
      atEntry(Buffer.from(path), (place) => readEntry(place, path, baseName(path))),
    );
  },

  /** Undefined for each that is gone. */
  entries: (context: OperationContext, paths: readonly string[]): (Entry | undefined)[] => {
    refreshIdNames();
    return paths.map((path) => {
      context.step();
      return orGone(() => atEntry(Buffer.from(path), (place) => readEntry(place, path, baseName(path))));
    });
  },

  /** See listing.ts. Emits `Entry[]` parts. */
  list: listDirectory,
};

/** `/` is its own name. */
export function baseName(path: string): string {
  return basename(path) || "/";
}
