// The machine and the versions of a result. A number without these is not worth keeping.

import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

/** @typedef {ReturnType<typeof describeMachine>} Machine */

export function describeMachine() {
  return {
    commit: describeCommit(),
    date: new Date().toISOString(),
    node: process.versions.node,
    v8: process.versions.v8,
    kernel: release(),
    cpu: `${cpus()[0]?.model ?? "unknown CPU"} x${cpus().length}`,
    memoryBytes: totalmem(),
    /** The load of the minute before: well above 0 means that something else was running. */
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

/**
 * The short commit hash, with `-dirty` when the tree differs from it; `none` outside of a
 * repository.
 */
function describeCommit() {
  try {
    const hash = git("rev-parse", "--short", "HEAD").trim();
    return git("status", "--porcelain") === "" ? hash : `${hash}-dirty`;
  } catch {
    return "none"; // no git, no repository, or no commit yet: the result is still worth reading
  }
}

/** @param {string[]} args */
function git(...args) {
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  return execFileSync("git", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}
