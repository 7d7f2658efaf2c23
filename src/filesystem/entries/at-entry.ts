// Finds the entry that a client's path names. Runs on a file thread.

import { closeSync, constants } from "node:fs";
import { O_PATH } from "../../linux/index.ts";
import { openFolderOf } from "../threads/open-folder.ts";
import { atPlace, openPath, type Place } from "../threads/open-path.ts";

const SLASH = 0x2f;

/** A link at the end is the entry itself; with a slash behind it, the directory to which it leads. */
export function atEntry<T>(path: Buffer, use: (place: Place) => T): T {
  if (path.length === 1 || path[path.length - 1] !== SLASH) return atPlace(path, use);
  const fd = openPath(path, O_PATH | constants.O_DIRECTORY);
  try {
    const folder = openFolderOf(fd);
    const name = Buffer.from(".");
    return use({ folder, name, path: folder.at(name) });
  } finally {
    closeSync(fd);
  }
}
