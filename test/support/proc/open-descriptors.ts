// The descriptors of a process, to compare before and after.

import { readdirSync, readlinkSync } from "node:fs";

/** One line each, `12 pipe:[4711]`, in order. Default: the test's own process. */
export function openDescriptors(pid: number | "self" = "self"): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((fd) => {
      try {
        return [`${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`];
      } catch {
        // ENOENT: the descriptor that listed the folder, or one that was closed meanwhile.
        return [];
      }
    });
}
