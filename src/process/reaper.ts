// The one reaper of this agent: on SIGCHLD it collects every ended child, its own and adopted ones, so that no
// zombie ever stays. waitpid(-1) takes children away from anyone else in the same program, so all that start
// children (nothing but src/process) must have them watched here, and child_process must not be used.

import { type Pid, reapOne } from "../linux/index.ts";

/** The kernel has one set of children for the whole program, hence one map for the whole module. */
const watched = new Map<Pid, (waitStatus: number) => void>();

/**
 * `onExit` is called once with waitpid's status, in a later turn of the event loop than the call of `watch` if
 * that is made in the turn in which the child was started. From then on the pid may belong to another process.
 */
export function watch(pid: Pid, onExit: (waitStatus: number) => void): void {
  watched.set(pid, onExit);
}

/** Starts to reap, now and at every SIGCHLD until the program ends. A second call does nothing. */
export function startReaping(): void {
  if (process.listeners("SIGCHLD").includes(reap)) return;
  process.on("SIGCHLD", reap);
  reap();
}

/** Signals of one kind merge, so every SIGCHLD may stand for many children. */
function reap(): void {
  for (let child = reapOne(); child !== undefined; child = reapOne()) {
    const onExit = watched.get(child.pid);
    watched.delete(child.pid);
    onExit?.(child.status);
  }
}
