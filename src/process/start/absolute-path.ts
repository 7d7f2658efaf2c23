// Joins paths as the kernel reads them.

import { isAbsolute } from "node:path";

/** Not by node:path's join or resolve: they take `..` back by its letters, which is wrong behind a symbolic link. */
export function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : `${folder}/${path}`;
}
