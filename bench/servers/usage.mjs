// What a server has used, as the kernel counts it. Its children (the processes it runs) are not included.

import { readdirSync, readFileSync } from "node:fs";

/**
 * User and system time of all its threads. From schedstat, in nanoseconds: /proc/PID/stat counts the same in steps of
 * 10 ms, a tenth of a short round. Time of threads that have ended is not in it; Node's and Go's stay.
 * @param {number | undefined} pid
 */
export function cpuSeconds(pid) {
  if (pid === undefined) return undefined;
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ", 1)[0]);
  }
  return nanoseconds / 1e9;
}

/** The most it was ever resident, in MB of 10^6 bytes. @param {number | undefined} pid */
export function peakResidentMb(pid) {
  if (pid === undefined) return undefined;
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kilobytes) * 1024) / 1e6;
}
