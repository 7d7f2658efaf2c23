// The file threads of one identity. A few work at a time; a thread that is stuck on its file system
// does not count, so a dead mount delays only the calls on it. Calls on one mount may hold
// `MAX_STUCK_PER_MOUNT` stuck threads; later ones wait until one returns, or fail.
//
//   idle -- run --> working -- no step for slowMs --> stuck -- the kernel returns --> idle or ended

import { startTimer, type Timer } from "../../clock.ts";
import { endWithoutThreads } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { FileError } from "../file-error.ts";
import { FileThread, type ThreadCall, type ThreadLimits } from "./file-thread.ts";
import type { ThreadSettings } from "./messages.ts";
import { mountOf, readMountPoints } from "./mounts.ts";

export interface PoolLimits extends ThreadLimits {
  readonly maxThreads: number;
  readonly maxStuck: number;
  readonly maxStuckPerMount: number;
  readonly maxWaiting: number;
  /** How long a thread stays without work. */
  readonly idleMs: number;
}

export const POOL_LIMITS: PoolLimits = {
  maxThreads: 4,
  maxStuck: 32,
  maxStuckPerMount: 4,
  maxWaiting: 4096,
  slowMs: 500,
  timeoutMs: 10_000,
  idleMs: 10_000,
};

export interface PoolCall extends ThreadCall {
  /** The path that the call looks up first; undefined for calls on descriptors. */
  readonly path: string | undefined;
}

interface Worker {
  readonly thread: FileThread;
  call: PoolCall | undefined;
  isStuck: boolean;
  idleTimer: Timer | undefined;
}

interface Waiting {
  readonly call: PoolCall;
  readonly timer: Timer;
}

export class ThreadPool {
  readonly #identity: ThreadSettings["identity"];
  readonly #limits: PoolLimits;
  readonly #workers = new Set<Worker>();
  readonly #waiting = new Set<Waiting>();
  #mountPoints: readonly string[] = [];
  #isClosed = false;

  constructor(identity: ThreadSettings["identity"], limits: PoolLimits) {
    this.#identity = identity;
    this.#limits = limits;
  }

  get threadCount(): number {
    return this.#workers.size;
  }

  /** No call runs or waits. */
  get isIdle(): boolean {
    return this.#waiting.size === 0 && [...this.#workers].every(({ call }) => call === undefined);
  }

  run(call: PoolCall): void {
    if (this.#isClosed) {
      call.reject(new FileError("unavailable", "the agent is shutting down"));
      return;
    }
    if (this.#begin(call)) return;
    if (this.#waiting.size >= this.#limits.maxWaiting) {
      call.reject(new FileError("resource_exhausted", "too many file calls wait; try again later"));
      return;
    }
    const waiting: Waiting = {
      call,
      timer: startTimer(this.#limits.timeoutMs, () => {
        this.#waiting.delete(waiting);
        call.reject(this.#timeout(call));
      }),
    };
    this.#waiting.add(waiting);
  }

  giveUp(call: PoolCall): void {
    for (const waiting of this.#waiting) {
      if (waiting.call !== call) continue;
      this.#waiting.delete(waiting);
      waiting.timer.cancel();
      call.reject(new FileError("unavailable", "the caller gave up"));
    }
    for (const worker of this.#workers) if (worker.call === call) worker.thread.giveUp(call);
  }

  /** Ends the threads that are not stuck. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { call, timer } of this.#waiting) {
      timer.cancel();
      call.reject(new FileError("unavailable", "the agent is shutting down"));
    }
    this.#waiting.clear();
    await Promise.all([...this.#workers].map((worker) => this.#end(worker)));
  }

  /** False if the call has to wait. */
  #begin(call: PoolCall): boolean {
    const stuck = [...this.#workers].filter(({ isStuck }) => isStuck);
    if (stuck.length > 0 && this.#isBlocked(call, stuck)) return false;
    const idle = [...this.#workers].find((worker) => worker.call === undefined);
    if (idle === undefined && this.#workers.size - stuck.length >= this.#limits.maxThreads) return false;
    const worker = idle ?? this.#start();
    worker.idleTimer?.cancel();
    worker.call = call;
    worker.thread.run(call);
    return true;
  }

  #isBlocked(call: PoolCall, stuck: readonly Worker[]): boolean {
    if (stuck.length >= this.#limits.maxStuck) return true;
    const mount = this.#mountOf(call);
    return (
      stuck.filter((worker) => this.#mountOf(worker.call) === mount).length >= this.#limits.maxStuckPerMount
    );
  }

  #mountOf(call: PoolCall | undefined): string {
    return call?.path === undefined ? "" : mountOf(call.path, this.#mountPoints);
  }

  #start(): Worker {
    const worker: Worker = {
      thread: new FileThread(this.#identity, this.#limits, {
        onSlow: () => {
          worker.isStuck = true;
          this.#mountPoints = readMountPoints();
          // Node waits for its threads when it ends; this one may never return.
          endWithoutThreads();
          this.#beginWaiting();
        },
        onTimeout: () => worker.call?.reject(this.#timeout(worker.call)),
        onFree: () => this.#free(worker),
        onEnd: () => {
          worker.idleTimer?.cancel();
          this.#workers.delete(worker);
          if (!this.#isClosed) this.#beginWaiting();
        },
      }),
      call: undefined,
      isStuck: false,
      idleTimer: undefined,
    };
    this.#workers.add(worker);
    return worker;
  }

  #free(worker: Worker): void {
    worker.call = undefined;
    worker.isStuck = false;
    const working = [...this.#workers].filter(({ isStuck }) => !isStuck).length;
    if (this.#isClosed || working > this.#limits.maxThreads) return void this.#end(worker);
    worker.idleTimer = startTimer(this.#limits.idleMs, () => void this.#end(worker));
    this.#beginWaiting();
  }

  #beginWaiting(): void {
    for (const waiting of this.#waiting) {
      if (!this.#begin(waiting.call)) continue;
      this.#waiting.delete(waiting);
      waiting.timer.cancel();
    }
  }

  async #end(worker: Worker): Promise<void> {
    worker.idleTimer?.cancel();
    this.#workers.delete(worker);
    if (!worker.isStuck) await worker.thread.close();
  }

  #timeout({ path, name }: PoolCall): FileError {
    const where = path === undefined ? "a file system" : `the file system of "${clip(path)}"`;
    return new FileError(
      "unavailable",
      `cannot ${name}: ${where} did not answer within ${this.#limits.timeoutMs} ms`,
    );
  }
}
