// @ts-check
// src/gen is committed, so it can be out of date. Generates it into a temporary folder and
// compares.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fresh = mkdtempSync(join(tmpdir(), "holdfast-gen-"));
try {
  const isCurrent =
    succeeds("buf", ["generate", "--output", fresh]) &&
    succeeds("diff", ["-r", "src/gen", join(fresh, "src/gen")]);
  if (!isCurrent) {
    process.stderr.write("src/gen does not match proto/: run `npm run generate`.\n");
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function succeeds(command, args) {
  return spawnSync(command, args, { stdio: ["ignore", 2, 2] }).status === 0;
}
