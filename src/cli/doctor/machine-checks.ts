// The checks of `holdfast doctor` that only read what the machine reports.

import { existsSync, readFileSync } from "node:fs";
import { release, totalmem } from "node:os";
import { cloneDevice } from "./clone-device.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

const MIN_NODE = [20, 19];
/** For bytes_acked in TCP_INFO. */
const MIN_KERNEL = [4, 1];
/** Of the builds of Node, and for statx. */
const MIN_GLIBC = [2, 28];
/** Memory of the agent in addition to its memory budget. */
const OWN_BYTES = 150 * 2 ** 20;

export interface MachineSettings {
  readonly memoryBudgetBytes: number;
  /** Whether the agent would serve TLS. */
  readonly hasTls: boolean;
}

export function machineFindings({ memoryBudgetBytes, hasTls }: MachineSettings): Finding[] {
  return [
    ...[system(), kernel(), libc(), node(), proc(), openFiles(), processes(), memory(memoryBudgetBytes)],
    ...(hasTls ? [tls()] : []),
  ];
}

function system(): Finding {
  const found = `${process.platform} ${process.arch}`;
  const isKnown = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);
  return isKnown ? ok("system", found) : fail("system", found, "the agent needs Linux on x64 or arm64");
}

function kernel(): Finding {
  const found = release();
  if (isAtLeast(found, MIN_KERNEL)) return ok("kernel", found);
  return warn("kernel", found, "before 4.1 the agent cannot distinguish a slow client from a stalled one");
}

function libc(): Finding {
  const report = process.report.getReport() as {
    readonly header?: { readonly glibcVersionRuntime?: string };
  };
  const glibc = report.header?.glibcVersionRuntime;
  // The trials show whether it has what the agent needs.
  if (glibc === undefined) return ok("libc", "not glibc");
  if (isAtLeast(glibc, MIN_GLIBC)) return ok("libc", `glibc ${glibc}`);
  return fail("libc", `glibc ${glibc}`, "no command starts: 2.28 or newer is needed");
}

function node(): Finding {
  const { version } = process;
  if (isAtLeast(version.slice(1), MIN_NODE)) return ok("node", version);
  return fail("node", version, `the agent needs ${MIN_NODE.join(".")} or newer`);
}

function proc(): Finding {
  if (existsSync("/proc/self/fd") && existsSync("/proc/meminfo")) return ok("/proc", "mounted");
  return fail("/proc", "not mounted", "the agent cannot list its descriptors, and does not start");
}

function openFiles(): Finding {
  const [soft, hard] = limitOf("Max open files") ?? ["unknown", "unknown"];
  if (Number(hard) >= 1024 || hard === "unlimited") return ok("open files", `up to ${hard}`);
  const consequence = "a process takes 2 or 3, and each of its clients 1: only few fit";
  return warn("open files", `up to ${soft === hard ? hard : `${soft} (${hard})`}`, consequence);
}

function processes(): Finding {
  const [soft = "unlimited"] = limitOf("Max processes") ?? [];
  const cgroup = readOrUndefined("/sys/fs/cgroup/pids.max")?.trim() ?? "max";
  const most = Math.min(...[soft, cgroup].map((limit) => (/^\d+$/.test(limit) ? Number(limit) : Infinity)));
  if (most === Infinity) return ok("processes", "unlimited");
  if (most >= 256) return ok("processes", `up to ${most}`);
  return warn(
    "processes",
    `up to ${most}`,
    "threads also count, and the agent has a dozen: only few commands fit",
  );
}

function memory(memoryBudgetBytes: number): Finding {
  const limit = Number(readOrUndefined("/sys/fs/cgroup/memory.max") ?? Number.NaN);
  const bytes = limit < totalmem() ? limit : totalmem();
  const found = `${Math.floor(bytes / 2 ** 20)} MiB`;
  // Held output can need twice its size.
  if (bytes >= 2 * memoryBudgetBytes + OWN_BYTES) return ok("memory", found);
  return warn("memory", found, "little for this --memory-budget: the kernel may kill a process");
}

/** The agent's own random values come from the kernel at each use. Those of TLS come from OpenSSL. */
function tls(): Finding {
  const device = cloneDevice();
  if (device === undefined) return ok("tls", "no sign that this machine is cloned");
  return warn(
    "tls",
    `this machine may be cloned (${device})`,
    "OpenSSL does not learn of a clone, so clones may use the same keys; let a proxy outside the machine serve TLS",
  );
}

/** The soft and the hard limit of this process. */
function limitOf(name: string): string[] | undefined {
  const line = readOrUndefined("/proc/self/limits")
    ?.split("\n")
    .find((line) => line.startsWith(name));
  return line?.slice(name.length).trim().split(/\s+/).slice(0, 2);
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // ENOENT: this kernel or container does not have the file.
    return undefined;
  }
}

function isAtLeast(version: string, [leastMajor = 0, leastMinor = 0]: readonly number[]): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
