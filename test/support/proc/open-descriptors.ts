// The descriptors of the test's own process, to compare before and after.

import { readdirSync, readlinkSync } from "node:fs";

/** One line each, `12 pipe:[4711]`, in order. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((fd) => {
      try {
        return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
      } catch {
        // ENOENT: the descriptor that listed the folder.
        return [];
      }
    });
}
