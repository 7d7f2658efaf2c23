// The state of a process in /proc, and how to wait for it.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** An epoll, an event descriptor and a pipe. */
const FDS_OF_AN_EVENT_LOOP = 4;

/**
 * How many descriptors it has open, without those of event loops. Each thread for files has one. A request starts it, and it
 * ends after ten seconds without any.
 */
export function fdCount(pid: number): number {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
  const eventLoops = fds.filter((target) => target === "anon_inode:[eventpoll]").length;
  return fds.length - FDS_OF_AN_EVENT_LOOP * eventLoops;
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    // ENOENT: closed since.
    return undefined;
  }
}

export function rssBytes(pid: number): number {
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

/** `R`, `S`, `Z` and so on; undefined if there is no such process. */
export function stateOf(pid: number): string | undefined {
  return stat(pid)?.state;
}

/**
 * Whether it runs no more. It may be a zombie: when its agent has gone, its parent is process 1, and in a container that may
 * reap nothing.
 */
export function hasExited(pid: number): boolean {
  const state = stateOf(pid);
  return state === undefined || state === "Z" || state === "X";
}

/** Zombies included. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => stat(child)?.parent === pid);
}

/** What lasts long is polled less often, because others use the cores: after 2 % of the time that has passed. */
const POLL_MS = { min: 10, max: 100 };

/** Polls until `isTrue`, or rejects with `state` at the deadline. */
export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  state: () => unknown,
  deadlineMs = 10_000,
) {
  const begin = performance.now();
  while (!(await isTrue())) {
    const waitedMs = performance.now() - begin;
    if (waitedMs > deadlineMs)
      throw new Error(`${what}: not within ${deadlineMs} ms, but ${JSON.stringify(state())}`);
    const pollMs = Math.min(POLL_MS.max, Math.max(POLL_MS.min, waitedMs / 50));
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function stat(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may contain anything.
    const [state = "", parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    // ENOENT, ESRCH: gone.
    return undefined;
  }
}
