// Waits while the agent is neither the old nor the new image of itself. If the agent dies in that
// moment, its commands must not continue without an agent that reads, stops and reaps them. (In a
// container, the end of process 1 ends them.)

import { closeSync, openSync, writeSync } from "node:fs";
import { type Fd, InheritedProperties, openPipe, type Pid, spawn } from "../linux/index.ts";

/**
 * Waits for a line. Without one, the agent is dead: asks the groups of the commands to end, and kills them after the
 * grace. `-s` and `--` are what dash, bash and busybox have in common.
 */
const SCRIPT =
  'cd /; grace=$1; shift; read line && exit; kill -s TERM "$@"; kill -s CONT "$@"; sleep "$grace"; kill -s KILL "$@"';

/** Returns the descriptor that the next image must inherit; undefined if there is nothing to guard, or no shell. */
export function startGuard(groups: readonly Pid[], graceMs: number): Fd | undefined {
  if (groups.length === 0 || process.pid === 1) return undefined;
  const { read, write } = openPipe();
  const none = openSync("/dev/null", "w") as Fd;
  try {
    const targets = groups.map((pid) => `-${pid}`);
    const argv = ["sh", "-c", SCRIPT, "sh", String(graceMs / 1000), "--", ...targets];
    const stdio = { kind: "pipes", stdin: read, stdout: none, stderr: none } as const;
    const request = {
      path: "/bin/sh",
      name: "sh",
      argv,
      environment: ["PATH=/usr/bin:/bin"],
      cwd: undefined,
      stdio,
    };
    spawn(request, new InheritedProperties({}, () => undefined));
    return write;
  } catch {
    // Without a shell there is no guard.
    closeSync(write);
    return undefined;
  } finally {
    closeSync(read);
    closeSync(none);
  }
}

/** The agent is there. */
export function dismissGuard(guard: Fd): void {
  try {
    writeSync(guard, "\n");
  } catch {
    // EPIPE: something has killed it.
  }
  closeSync(guard);
}
