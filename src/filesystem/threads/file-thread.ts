// One file thread, seen from the agent. It does one call at a time. A call that makes no step for a
// while is stuck on its file system: its caller gets an error, and the thread stays until the
// kernel returns.

import { SHARE_ENV, Worker } from "node:worker_threads";
import { startTimer, type Timer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import { FileError } from "../file-error.ts";
import {
  type AnswerMessage,
  type CallMessage,
  GIVEN_UP,
  STEPS,
  TAKEN_PARTS,
  type ThreadSettings,
} from "./messages.ts";
import { sharedSpools } from "./own-spools.ts";
import { RESOLVE_FROM, THREAD_SOURCE } from "./thread-source.ts";

/** How much code and data an operation may use: a list of 100,000 entries leaves in parts. */
const LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };

export interface ThreadCall {
  readonly name: string;
  readonly values: readonly unknown[];
  readonly onPart: ((part: unknown) => void) | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export interface ThreadEvents {
  /** The running call has made no step for a while, once for each call. */
  onSlow(): void;
  /** The running call has made no step for too long: reject it. The thread is free when the kernel returns. */
  onTimeout(): void;
  /** The running call has ended; the thread takes another. */
  onFree(): void;
  /** The thread has ended. A running call was rejected. */
  onEnd(): void;
}

export interface ThreadLimits {
  /** A call without a step for this long no longer counts as work. */
  readonly slowMs: number;
  /** A call without a step for this much longer has failed. */
  readonly timeoutMs: number;
}

export class FileThread {
  readonly #worker: Worker;
  readonly #counters: Int32Array;
  readonly #events: ThreadEvents;
  readonly #limits: ThreadLimits;
  #id = 0;
  #running: ThreadCall | undefined;
  #timer: Timer | undefined;
  #hasEnded = false;

  constructor(identity: ThreadSettings["identity"], limits: ThreadLimits, events: ThreadEvents) {
    const progress = new SharedArrayBuffer(12);
    this.#counters = new Int32Array(progress);
    this.#events = events;
    this.#limits = limits;
    const settings: ThreadSettings = {
      ...{ identity, progress, spools: sharedSpools() },
      resolveFrom: RESOLVE_FROM,
    };
    this.#worker = new Worker(THREAD_SOURCE, {
      eval: true,
      workerData: settings,
      env: SHARE_ENV,
      // Descriptors that it opens belong to the agent.
      trackUnmanagedFds: false,
      resourceLimits: LIMITS,
    });
    this.#worker.unref();
    this.#worker.on("message", (message: AnswerMessage) => this.#take(message));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", () =>
      this.#end(new HoldfastError("unavailable", "the file thread ended; try again")),
    );
  }

  /** Only while no other call runs. */
  run(call: ThreadCall): void {
    this.#running = call;
    // Above 0, which stands for "none" in the counter of given-up calls, and within 32 bits.
    this.#id = (this.#id % 0x7fff_ffff) + 1;
    this.#worker.ref();
    const { name, values } = call;
    this.#worker.postMessage({ id: this.#id, name, values } satisfies CallMessage);
    this.#watch(call, this.#limits.slowMs);
  }

  /** The running call ends at its next step. */
  giveUp(call: ThreadCall): void {
    if (this.#running === call) Atomics.store(this.#counters, GIVEN_UP, this.#id);
  }

  /** For a thread without a call; one that is stuck ends with the agent. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#worker.terminate();
  }

  #watch(call: ThreadCall, limitMs: number): void {
    const steps = Atomics.load(this.#counters, STEPS);
    this.#timer = startTimer(limitMs, () => {
      if (Atomics.load(this.#counters, STEPS) !== steps) return this.#watch(call, limitMs);
      const { slowMs, timeoutMs } = this.#limits;
      if (limitMs === timeoutMs) return this.#events.onTimeout();
      this.#watch(call, timeoutMs);
      if (limitMs === slowMs) this.#events.onSlow();
    });
  }

  #take(message: AnswerMessage): void {
    // In a later turn: all messages that are there are taken in one turn.
    if (message.kind === "part") setImmediate(() => this.#noteTaken());
    const call = this.#running;
    if (call === undefined || message.id !== this.#id) return;
    if (message.kind === "part") {
      call.onPart?.(message.part);
      return;
    }
    this.#running = undefined;
    this.#timer?.cancel();
    this.#worker.unref();
    if (message.kind === "result") call.resolve(message.result);
    else if (message.kind === "error")
      call.reject(new FileError(message.code, message.message, message.errno));
    else call.reject(message.error);
    this.#events.onFree();
  }

  #noteTaken(): void {
    Atomics.add(this.#counters, TAKEN_PARTS, 1);
    Atomics.notify(this.#counters, TAKEN_PARTS);
  }

  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#timer?.cancel();
    this.#running?.reject(error);
    this.#running = undefined;
    this.#events.onEnd();
  }
}
