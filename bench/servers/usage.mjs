// The usage of a server, from the kernel's counters. Its children (the commands that it runs) are
// not included.

import { readdirSync, readFileSync } from "node:fs";

/** @typedef {{ pids: () => number[] }} Measured */

/**
 * User and system time of all its threads. From schedstat, in nanoseconds: /proc/PID/stat counts
 * the same in steps of 10 ms, a tenth of a short round. Time of threads that have ended is not in
 * it; Node's and Go's stay.
 * @param {Measured} server
 * @returns {number | undefined}
 */
export function cpuSeconds(server) {
  return sumOf(server, (pid) => {
    let nanoseconds = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
      nanoseconds += Number(text.split(" ", 1)[0]);
    }
    return nanoseconds / 1e9;
  });
}

/**
 * The same with threads that have ended, in steps of 10 ms: the agent's threads for files end when they are idle.
 * @param {Measured} server
 */
export function processCpuSeconds(server) {
  return sumOf(server, (pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  });
}

/**
 * The same with the children that have ended: sshd runs tar as a command.
 * @param {Measured} server
 */
export function cpuSecondsWithChildren(server) {
  return sumOf(server, (pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) / 100, 0);
  });
}

/** Its peak resident memory, in MB of 10^6 bytes. @param {Measured} server */
export function peakResidentMb(server) {
  return statusMb(server, "VmHWM");
}

/** Its resident memory now, in MB of 10^6 bytes. @param {Measured} server */
export function residentMb(server) {
  return statusMb(server, "VmRSS");
}

/** The part of it that is not backed by files, in MB of 10^6 bytes. @param {Measured} server */
export function anonymousMb(server) {
  return statusMb(server, "RssAnon");
}

/**
 * How often it called read(2), write(2) and similar calls. Counted per thread, because /proc/PID/io
 * includes the calls of children that have ended.
 * @param {Measured} server
 */
export function systemCalls(server) {
  const count = (/** @type {string} */ key) =>
    sumOf(server, (pid) => {
      const line = new RegExp(`^${key}: (\\d+)$`, "m");
      return readdirSync(`/proc/${pid}/task`)
        .map((thread) => Number(line.exec(readFileSync(`/proc/${pid}/task/${thread}/io`, "utf8"))?.[1]))
        .reduce((sum, calls) => sum + calls, 0);
    });
  return { reads: count("syscr"), writes: count("syscw") };
}

/** @param {Measured} server @param {string} key */
function statusMb(server, key) {
  return sumOf(server, (pid) => {
    const kilobytes = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(
      readFileSync(`/proc/${pid}/status`, "utf8"),
    )?.[1];
    return (Number(kilobytes) * 1024) / 1e6;
  });
}

/** @param {Measured} server @param {(pid: number) => number} read @returns {number | undefined} */
function sumOf({ pids }, read) {
  const all = pids();
  return all.length === 0 ? undefined : all.reduce((sum, pid) => sum + read(pid), 0);
}

/** @param {number | undefined} before @param {number | undefined} after */
export function difference(before, after) {
  return before === undefined || after === undefined ? undefined : after - before;
}
