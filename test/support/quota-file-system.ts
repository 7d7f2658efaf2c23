// A real file system with a disk quota: a subvolume of a Btrfs. Kernels of microVMs often have quotas for no other file system.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { createBtrfs } from "./btrfs.ts";
import { needPrograms } from "./programs.ts";

/** A directory that may hold `bytes`. Skips the test on a machine that cannot mount a Btrfs. */
export function createQuotaFileSystem(bytes: number): string {
  needPrograms("btrfs");
  const mount = createBtrfs();
  const limited = join(mount, "limited");
  const btrfs = (...args: string[]) => execFileSync("btrfs", args, { stdio: "ignore" });
  btrfs("quota", "enable", mount);
  btrfs("subvolume", "create", limited);
  btrfs("qgroup", "limit", String(bytes), limited);
  return limited;
}
