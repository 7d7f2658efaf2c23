// Where this installation has the console's files. Its own file, at this depth, because the way to them is the same from
// src, from dist and from the bundle; the single executable has them inside (scripts/binary/console-source.mjs).

import { fileURLToPath } from "node:url";
import { type FileSource, folderSource } from "./console/file-source.ts";

export function installedConsole(): FileSource {
  return folderSource(fileURLToPath(new URL("../../dist/console/", import.meta.url)));
}
