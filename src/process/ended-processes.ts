// Processes that have ended and are still retained: found by whoever comes late, forgotten in the order they ended when
// their time, their number or their bytes are up (rule 12).

import type { Timer } from "../multiplexer/index.ts";
import type { Process } from "./process.ts";
import { startTimer } from "./timer.ts";

export interface RetentionLimits {
  readonly retainMs: number;
  readonly maxProcesses: number;
  /** Of output, all retained processes together. */
  readonly maxBytes: number;
}

export class EndedProcesses {
  readonly #limits: RetentionLimits;
  readonly #onForget: (process: Process) => void;
  /** By processId, in the order they ended. */
  readonly #retained = new Map<string, { readonly process: Process; readonly untilMs: number }>();
  #timer: Timer | undefined;

  /** `onForget` is called once for each process added, when it is no longer retained. */
  constructor(limits: RetentionLimits, onForget: (process: Process) => void) {
    this.#limits = limits;
    this.#onForget = onForget;
  }

  /** In the order they ended. */
  list(): Process[] {
    return [...this.#retained.values()].map(({ process }) => process);
  }

  add(process: Process): void {
    this.#retained.set(process.processId, { process, untilMs: performance.now() + this.#limits.retainMs });
    this.#enforce();
  }

  /** Forgets all, at once. */
  clear(): void {
    for (const process of this.list()) this.#forget(process);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** All are retained for the same time, so the first to end is the first to go, and one timer does for all. */
  #enforce(): void {
    const { maxProcesses, maxBytes } = this.#limits;
    this.#timer?.cancel();
    this.#timer = undefined;
    let bytes = this.list().reduce((sum, { output }) => sum + output.heldBytes, 0);
    for (const { process, untilMs } of [...this.#retained.values()]) {
      const leftMs = untilMs - performance.now();
      if (leftMs > 0 && this.#retained.size <= maxProcesses && bytes <= maxBytes) {
        this.#timer = startTimer(Math.ceil(leftMs), () => this.#enforce());
        return;
      }
      bytes -= process.output.heldBytes;
      this.#forget(process);
    }
  }

  #forget(process: Process): void {
    this.#retained.delete(process.processId);
    process.output.release();
    this.#onForget(process);
  }
}
