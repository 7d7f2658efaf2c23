// A folder for one test, removed afterwards.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/**
 * Its path is absolute and contains no symbolic link. Default `parent`: the system's temporary
 * folder.
 */
export function createTempFolder(parent = tmpdir()): string {
  const path = mkdtempSync(join(parent, "holdfast-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
