// GET /metrics: how busy the machine is, in the shape of envd's JSON. In a container with a memory limit, memory is that of
// the container.

import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

/** In bytes, unless the name has another unit. */
export interface MachineReport {
  /** Seconds since the epoch. */
  readonly ts: number;
  readonly cpu_count: number;
  /** Of all processors together, 0 to 100 with two decimals, since the last request. */
  readonly cpu_used_pct: number;
  readonly mem_total: number;
  /** Memory that cannot be freed at once. */
  readonly mem_used: number;
  readonly mem_cache: number;
  readonly mem_total_mib: number;
  readonly mem_used_mib: number;
  /** Of the root file system. */
  readonly disk_used: number;
  readonly disk_total: number;
}

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

interface Memory {
  readonly total: number;
  readonly used: number;
  readonly cache: number;
}

const MIB = 2 ** 20;

export class MachineMetrics {
  #last = cpuTimes();

  read(): MachineReport {
    const machine = machineMemory();
    const memory = limitedMemory(machine) ?? machine;
    const disk = statfsSync("/");
    return {
      ts: Math.floor(Date.now() / 1000),
      cpu_count: availableParallelism(),
      cpu_used_pct: this.#cpuUsedPercent(),
      mem_total: memory.total,
      mem_used: memory.used,
      mem_cache: memory.cache,
      mem_total_mib: Math.floor(memory.total / MIB),
      mem_used_mib: Math.floor(memory.used / MIB),
      disk_used: (disk.blocks - disk.bfree) * disk.bsize,
      disk_total: disk.blocks * disk.bsize,
    };
  }

  #cpuUsedPercent(): number {
    const now = cpuTimes();
    const total = now.total - this.#last.total;
    const busy = now.busy - this.#last.busy;
    this.#last = now;
    return total > 0 ? Math.round((busy / total) * 10_000) / 100 : 0;
  }
}

/** See proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; the other fields are included in these. */
function cpuTimes(): CpuTimes {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  const times = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = times.reduce((sum, time) => sum + time, 0);
  const [, , , idle = 0, iowait = 0] = times;
  return { total, busy: total - idle - iowait };
}

function machineMemory(): Memory {
  const text = readFileSync("/proc/meminfo", "latin1");
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return {
    total: kib("MemTotal") * 1024,
    used: (kib("MemTotal") - kib("MemAvailable")) * 1024,
    cache: (kib("Cached") + kib("SReclaimable")) * 1024,
  };
}

/** The memory of the agent's cgroup (version 2). Undefined without a limit below the machine's memory. */
function limitedMemory(machine: Memory): Memory | undefined {
  try {
    const [, path = ""] = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8")) ?? [];
    const read = (file: string) => readFileSync(join("/sys/fs/cgroup", path, file), "latin1").trim();
    const total = Number(read("memory.max"));
    if (!(total < machine.total)) return undefined;
    const file = Number(/^file (\d+)$/m.exec(read("memory.stat"))?.[1] ?? 0);
    return { total, used: Math.max(0, Number(read("memory.current")) - file), cache: file };
  } catch {
    // ENOENT: version 1, or no cgroup.
    return undefined;
  }
}
