// The only reaper of this agent: on SIGCHLD it collects every ended child, including adopted
// orphans, so that no zombie remains. waitpid(-1) takes children away from all other code of the
// same program, so every child must be watched here (only src/process starts children) and
// node:child_process must not be used.

import { type Pid, reapOne } from "../linux/index.ts";

/** One map for the module, because the kernel has one set of children for the program. */
const watched = new Map<Pid, (waitStatus: number) => void>();

/**
 * Call it in the turn of the event loop in which the child was started. `onExit` is called once, in
 * a later turn, with the status of waitpid. From then on the pid may belong to another process.
 */
export function watch(pid: Pid, onExit: (waitStatus: number) => void): void {
  watched.set(pid, onExit);
}

/** Reaps now and at every SIGCHLD until the program ends. A second call does nothing. */
export function startReaping(): void {
  if (process.listeners("SIGCHLD").includes(reap)) return;
  process.on("SIGCHLD", reap);
  reap();
}

/** Signals of one kind merge, so one SIGCHLD may stand for many children. */
function reap(): void {
  for (let child = reapOne(); child !== undefined; child = reapOne()) {
    const onExit = watched.get(child.pid);
    watched.delete(child.pid);
    onExit?.(child.status);
  }
}
