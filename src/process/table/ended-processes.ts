// Processes that have ended and are still retained, so that late clients find them. Forgotten in
// the order of their ends, when their time has passed or they are too many. Their output is not
// limited here: the memory budget evicts it when it needs the room (rule 12).

import { realClock, startTimer, type Timer } from "../../clock.ts";
import type { Process } from "../process.ts";

export interface RetentionLimits {
  readonly retainMs: number;
  readonly maxProcesses: number;
}

interface Retained {
  readonly process: Process;
  readonly untilMs: number;
}

export class EndedProcesses {
  readonly #limits: RetentionLimits;
  readonly #onForget: (process: Process) => void;
  /** By processId, in the order of their ends. */
  readonly #retained = new Map<string, Retained>();
  #timer: Timer | undefined;

  /** `onForget` is called once for each added process, when it is no longer retained. */
  constructor(limits: RetentionLimits, onForget: (process: Process) => void) {
    this.#limits = limits;
    this.#onForget = onForget;
  }

  /** In the order of their ends. */
  list(): Process[] {
    return [...this.#retained.values()].map(({ process }) => process);
  }

  add(process: Process): void {
    const untilMs = realClock.nowMs() + this.#limits.retainMs;
    this.#retained.set(process.processId, { process, untilMs });
    this.#enforce();
  }

  /** Forgets all of them. */
  clear(): void {
    for (const retained of [...this.#retained.values()]) this.#forget(retained);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * All are retained for the same time, so they are forgotten in the order of their ends and one
   * timer is enough. The timer may fire early: the process that it was set for may be forgotten
   * already.
   */
  #enforce(): void {
    for (const retained of this.#retained.values()) {
      const leftMs = retained.untilMs - realClock.nowMs();
      if (leftMs > 0 && this.#retained.size <= this.#limits.maxProcesses) {
        this.#timer ??= startTimer(Math.ceil(leftMs), () => {
          this.#timer = undefined;
          this.#enforce();
        });
        return;
      }
      this.#forget(retained);
    }
  }

  #forget({ process }: Retained): void {
    this.#retained.delete(process.processId);
    process.output.release();
    this.#onForget(process);
  }
}
