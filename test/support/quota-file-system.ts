// A real file system with a disk quota: a subvolume of a Btrfs in a file. Kernels of microVMs often have quotas for no other
// file system. The caller needs to be root.

import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished, TestRunner } from "vitest";
import { needPrograms } from "./programs.ts";
import { createTempFolder } from "./temp-folder.ts";

/** A little more than the minimum of mkfs.btrfs. */
const DISK_BYTES = 160 * 1024 * 1024;

/** A directory that may hold `bytes`. Skips the test on a machine that cannot mount a Btrfs. */
export function createQuotaFileSystem(bytes: number): string {
  needPrograms("mkfs.btrfs", "btrfs");
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
  const limited = join(mount, "limited");
  const btrfs = (...args: string[]) => execFileSync("btrfs", args, { stdio: "ignore" });
  btrfs("quota", "enable", mount);
  btrfs("subvolume", "create", limited);
  btrfs("qgroup", "limit", String(bytes), limited);
  return limited;
}
