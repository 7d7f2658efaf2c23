// The only reaper of this agent: on SIGCHLD it collects every ended child, including adopted
// orphans, so that no zombie remains. waitpid(-1) takes children away from all other code of the
// same program, so every child must be watched here (only src/process starts children) and
// node:child_process must not be used.

import { constants } from "node:os";
import { type Pid, reapOne } from "../linux/index.ts";

/** One map for the module, because the kernel has one set of children for the program. */
const watched = new Map<Pid, WatchedChild>();

/** A child from its start until it is reaped. */
export class WatchedChild {
  readonly pid: Pid;
  #waitStatus: number | undefined;
  #onReaped: ((waitStatus: number) => void) | undefined;

  /** With `waitStatus`, it is reaped already. */
  constructor(pid: Pid, waitStatus?: number) {
    this.pid = pid;
    this.#waitStatus = waitStatus;
  }

  /** Once it is reaped. */
  get waitStatus(): number | undefined {
    return this.#waitStatus;
  }

  /** Then the pid may belong to another process. */
  get isReaped(): boolean {
    return this.#waitStatus !== undefined;
  }

  /**
   * `onReaped` is called once with the status of waitpid, in a later turn of the event loop, even
   * if the child is reaped already.
   */
  onReaped(onReaped: (waitStatus: number) => void): void {
    const status = this.#waitStatus;
    if (status === undefined) this.#onReaped = onReaped;
    else setImmediate(() => onReaped(status));
  }

  /** For a child that will not become a process. */
  kill(): void {
    if (!this.isReaped) process.kill(this.pid, constants.signals.SIGKILL);
  }

  /** For the reaper. */
  reap(waitStatus: number): void {
    this.#waitStatus = waitStatus;
    this.#onReaped?.(waitStatus);
  }
}

/** Call it in the turn of the event loop in which the child was started. */
export function watch(pid: Pid): WatchedChild {
  const child = new WatchedChild(pid);
  watched.set(pid, child);
  return child;
}

/** The same for a child that another image of this agent started. Call it before `startReaping`. */
export function watchInherited(pid: Pid, waitStatus: number | undefined): WatchedChild {
  const child = new WatchedChild(pid, waitStatus);
  if (waitStatus === undefined) watched.set(pid, child);
  return child;
}

/** Reaps now and at every SIGCHLD until the program ends. A second call does nothing. */
export function startReaping(): void {
  if (process.listeners("SIGCHLD").includes(reap)) return;
  process.on("SIGCHLD", reap);
  reap();
}

/** Signals of one kind merge, so one SIGCHLD may stand for many children. */
function reap(): void {
  for (let ended = reapOne(); ended !== undefined; ended = reapOne()) {
    const child = watched.get(ended.pid);
    watched.delete(ended.pid);
    child?.reap(ended.status);
  }
}
