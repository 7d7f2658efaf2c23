// A folder for one test, gone afterwards.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Its path is absolute and holds no symbolic link. `parent` is /tmp or the like by default. */
export function createTempFolder(parent = tmpdir()): string {
  const path = mkdtempSync(join(parent, "holdfast-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
