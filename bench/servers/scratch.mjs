// One temporary directory for a run: server logs and the compiled C forwarder. Removed when the run ends.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @type {string | undefined} */
let directory;

/** @param {string} name */
export function scratchPath(name) {
  directory ??= mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  return join(directory, name);
}

export function removeScratch() {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  directory = undefined;
}
