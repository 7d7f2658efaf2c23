// The rates of `holdfast top`: the changes of each process between two lists. No I/O.

import type { ProcessInfo } from "../../client/index.ts";

export interface Sample {
  /** On a monotonic clock. */
  readonly atMs: number;
  readonly processes: readonly ProcessInfo[];
}

export interface Row {
  readonly info: ProcessInfo;
  /** 100: one core. Undefined if the agent does not measure. */
  readonly cpuPercent: number | undefined;
  readonly bytesPerSecond: number;
}

export const sortKeys = ["cpu", "memory", "output", "pid", "age"] as const;
export type SortKey = (typeof sortKeys)[number];

/** A process that is new in `now` counts from its start. */
export function ratesOf(before: Sample, now: Sample): Row[] {
  const earlier = new Map(before.processes.map((info) => [info.processId, info]));
  const seconds = Math.max((now.atMs - before.atMs) / 1000, 0.001);
  return now.processes.map((info) => {
    const last = earlier.get(info.processId);
    const cpuMs = info.usage === undefined ? undefined : info.usage.cpuMs - (last?.usage?.cpuMs ?? 0);
    return {
      info,
      // A descendant that ended without being waited for takes its time with it.
      cpuPercent: cpuMs === undefined ? undefined : Math.max(0, cpuMs) / seconds / 10,
      bytesPerSecond: Math.max(0, info.offset - (last?.offset ?? 0)) / seconds,
    };
  });
}

/** The largest first; equal ones in the order of their start. */
export function sorted(rows: readonly Row[], key: SortKey): Row[] {
  const value = valueFor[key];
  return [...rows].sort((a, b) => value(b) - value(a));
}

const valueFor: Readonly<Record<SortKey, (row: Row) => number>> = {
  cpu: ({ cpuPercent }) => cpuPercent ?? 0,
  memory: ({ info }) => info.usage?.residentBytes ?? 0,
  output: ({ bytesPerSecond }) => bytesPerSecond,
  pid: ({ info }) => -info.pid,
  age: ({ info }) => -info.startedAt.getTime(),
};
