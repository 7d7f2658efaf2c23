// A real Btrfs in a file: it writes changed data to new blocks, files share blocks, and it has quotas also in the kernels of
// microVMs. The caller needs to be root.

import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished, TestRunner } from "vitest";
import { needPrograms } from "./programs.ts";
import { createTempFolder } from "./temp-folder.ts";

/** A little more than the minimum of mkfs.btrfs. */
const DISK_BYTES = 160 * 1024 * 1024;

/** The top directory, for every user. Skips the test on a machine that cannot mount a Btrfs. */
export function createBtrfs(): string {
  needPrograms("mkfs.btrfs");
  const folder = createTempFolder();
  chmodSync(folder, 0o755);
  const disk = join(folder, "disk");
  const mount = join(folder, "mount");
  writeFileSync(disk, "");
  truncateSync(disk, DISK_BYTES);
  execFileSync("mkfs.btrfs", ["--quiet", disk], { stdio: "ignore" });
  mkdirSync(mount);
  const { status, stderr } = spawnSync("mount", ["-o", "loop", disk, mount], { encoding: "utf8" });
  if (status !== 0) {
    process.stderr.write(`SKIPPED: no Btrfs can be mounted here: ${stderr}`);
    TestRunner.getCurrentTest()?.context.skip("no Btrfs can be mounted here");
  }
  onTestFinished(() => void execFileSync("umount", ["--lazy", mount]));
  return mount;
}
