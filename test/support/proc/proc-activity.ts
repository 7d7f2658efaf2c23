// The activity of a process, from /proc: CPU, peak memory, whether it is stuck in a write, and how
// much the kernel holds of a TCP connection.

import { readFileSync, writeFileSync } from "node:fs";
import { eventually, stateOf } from "./proc.ts";

/** User and system time of all its threads, in the kernel's ticks of 10 ms. */
export function cpuTicks(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Its peak resident memory since it started, or since `forgetPeakRss`. */
export function peakRssBytes(pid: number): number {
  const [, kib = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

export function forgetPeakRss(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Whether its main thread waits in write(1, …). */
export function isBlockedInWrite(pid: number): boolean {
  // The system call's number (x64, arm64), then its arguments; "running" for a running thread.
  return /^(1|64) 0x1 /.test(readFileSync(`/proc/${pid}/syscall`, "latin1"));
}

/** Whether its main thread waits in read(0, …). */
export function isBlockedInRead(pid: number): boolean {
  return /^(0|63) 0x0 /.test(readFileSync(`/proc/${pid}/syscall`, "latin1"));
}

/** How many bytes its writes have returned so far; a blocked write has not returned. */
export function bytesWritten(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[1]);
}

/**
 * Bytes that the kernel holds for one end of a loopback connection: not acknowledged by the other
 * end, and not yet read by this one.
 */
export function tcpQueues(
  localPort: number,
  remotePort: number,
): { readonly sent: number; readonly received: number } {
  const address = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of readFileSync("/proc/net/tcp", "latin1").split("\n")) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    if (local?.endsWith(address(localPort)) !== true || remote?.endsWith(address(remotePort)) !== true)
      continue;
    const [sent = "", received = ""] = queues?.split(":") ?? [];
    return { sent: Number.parseInt(sent, 16), received: Number.parseInt(received, 16) };
  }
  throw new Error(`no connection from port ${localPort} to ${remotePort}`);
}

/** The most that the kernel holds of one connection, both ends together: written and not read. */
export function tcpWindowBytes(): number {
  const most = (name: string) => Number(readFileSync(`/proc/sys/net/ipv4/${name}`, "latin1").split(/\s+/)[2]);
  return most("tcp_wmem") + most("tcp_rmem");
}

/**
 * Resolves when it has waited in write(1, …) for 100 ms without progress: its output is not read.
 */
export async function untilBlockedInWrite(pid: number): Promise<void> {
  let since = performance.now();
  let before = -1;
  const stands = () => {
    const now = isBlockedInWrite(pid) ? bytesWritten(pid) : -1;
    if (now !== before || now < 0) since = performance.now();
    before = now;
    return performance.now() - since > 100;
  };
  await eventually(`process ${pid} waits in write`, stands, () => ({ state: stateOf(pid), written: before }));
}
