// A program that swaps two paths without a pause, for tests of races: whatever the order of events, a request must not
// reach what the other path leads to.

import { type ChildProcess, spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { needPrograms } from "../programs.ts";

/** Swaps `a` and `b` by renameat2(RENAME_EXCHANGE), as the user `uid` if there is one. */
const SWAPPER = `
import ctypes, os, sys
if len(sys.argv) > 3:
    uid = int(sys.argv[3])
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
libc = ctypes.CDLL(None)
a, b = sys.argv[1].encode(), sys.argv[2].encode()
print("ready", flush=True)
while True:
    libc.renameat2(-100, a, -100, b, 2)
`;

/** Resolves when the program swaps the paths. It ends with the test, or when the caller kills it. `uid` is its group also. */
export async function swapPaths(a: string, b: string, uid?: number): Promise<ChildProcess> {
  const user = uid === undefined ? [] : [String(uid)];
  needPrograms("python3");
  const swapper = spawn("python3", ["-c", SWAPPER, a, b, ...user], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void swapper.kill("SIGKILL"));
  await new Promise((resolve) => swapper.stdout?.once("data", resolve));
  return swapper;
}
