// The CPU time and memory of a process and its living descendants, from /proc. Reads files of the
// kernel only, and off the event loop.

import { readFile } from "node:fs/promises";
import type { Pid } from "./libc.ts";

export interface ProcessUsage {
  /** User and system time since the start, with that of children that were waited for. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly processes: number;
}

/** Of one process and its descendants. */
const MOST_PROCESSES = 64;

/** The kernel reports times to programs in hundredths of a second, on every architecture. */
const MS_PER_TICK = 10;

/**
 * Undefined if there is no such process, or if it is a zombie. Descendants are counted while their parents live: those of
 * an ended one belong to init. A kernel without /proc/PID/task/TID/children shows the process alone.
 */
export async function readProcessUsage(pid: Pid): Promise<ProcessUsage | undefined> {
  let total: ProcessUsage | undefined;
  const waiting: number[] = [pid];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const own = await usageOf(next);
    if (own === undefined) continue;
    total = {
      cpuMs: (total?.cpuMs ?? 0) + own.cpuMs,
      residentBytes: (total?.residentBytes ?? 0) + own.residentBytes,
      processes: (total?.processes ?? 0) + 1,
    };
    if (total.processes + waiting.length < MOST_PROCESSES)
      waiting.push(...(await childrenOf(next)).slice(0, MOST_PROCESSES - total.processes - waiting.length));
  }
  return total;
}

/** proc(5): fields 14 to 17 of stat are times; the command before them may hold blanks and brackets. */
async function usageOf(pid: number): Promise<Omit<ProcessUsage, "processes"> | undefined> {
  const [stat, status] = await Promise.all([read(`/proc/${pid}/stat`), read(`/proc/${pid}/status`)]);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, ...rest] = fields;
  if (stat === "" || state === "Z" || state === "X") return undefined;
  // `rest` begins with field 4.
  const ticks = rest.slice(10, 14).reduce((sum, field) => sum + Number(field), 0);
  const [, residentKib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  return { cpuMs: ticks * MS_PER_TICK, residentBytes: Number(residentKib) * 1024 };
}

/** Of its first thread; children of other threads are the children of the process when these threads end. */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await read(`/proc/${pid}/task/${pid}/children`);
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map(Number);
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "latin1");
  } catch {
    // ENOENT and ESRCH: it has ended, or the kernel does not have the file.
    return "";
  }
}
