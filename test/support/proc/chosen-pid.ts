// A process with a pid that the test chooses: the kernel gives the number after `ns_last_pid` to the next process.

import { accessSync, constants, writeFileSync } from "node:fs";
import { constants as osConstants } from "node:os";
import type { Process } from "../../../src/process/index.ts";
import { outputOf } from "../agent/process-output.ts";

const NEXT_PID = "/proc/sys/kernel/ns_last_pid";

/** False if not root, and in a container with a read-only /proc. */
export function canChoosePid(): boolean {
  try {
    accessSync(NEXT_PID, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Calls `start` until its process has `pid`: other programs may start processes at the same time. */
export async function startWithPid(pid: Process["pid"], start: () => Promise<Process>): Promise<Process> {
  for (let attempt = 0; attempt < 500; attempt++) {
    writeFileSync(NEXT_PID, String(pid - 1));
    const started = await start();
    if (started.pid === pid) return started;
    started.signal(osConstants.signals.SIGKILL);
    await outputOf(started);
  }
  throw new Error(`no process got pid ${pid}`);
}
