// Processes that have ended and are still retained: found by whoever comes late, forgotten in the order they ended when
// their time, their number or their bytes are up (rule 12).

import { startTimer, type Timer } from "../../clock.ts";
import type { Process } from "../process.ts";

export interface RetentionLimits {
  readonly retainMs: number;
  readonly maxProcesses: number;
  /** Of output, all retained processes together. */
  readonly maxBytes: number;
}

interface Retained {
  readonly process: Process;
  readonly untilMs: number;
  /** When it was last asked. */
  heldBytes: number;
}

export class EndedProcesses {
  readonly #limits: RetentionLimits;
  readonly #onForget: (process: Process) => void;
  /** By processId, in the order they ended. */
  readonly #retained = new Map<string, Retained>();
  /** Of `heldBytes` the sum, and about what they hold at most: they take no output in, and let go of it when the budget is spent. */
  #mostBytes = 0;
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
    const { heldBytes } = process.output;
    this.#mostBytes += heldBytes;
    const untilMs = performance.now() + this.#limits.retainMs;
    this.#retained.set(process.processId, { process, untilMs, heldBytes });
    this.#enforce();
  }

  /** Forgets all, at once. */
  clear(): void {
    for (const retained of [...this.#retained.values()]) this.#forget(retained);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * All are retained for the same time, so the first to end is the first to go, and one timer does for all. It may come too
   * early, for one that had to go before its time.
   */
  #enforce(): void {
    for (const retained of this.#retained.values()) {
      const leftMs = retained.untilMs - performance.now();
      if (leftMs > 0 && this.#retained.size <= this.#limits.maxProcesses && this.#fits()) {
        this.#timer ??= startTimer(Math.ceil(leftMs), () => {
          this.#timer = undefined;
          this.#enforce();
        });
        return;
      }
      this.#forget(retained);
    }
  }

  /** Counts anew only where the sum says too much. */
  #fits(): boolean {
    const { maxBytes } = this.#limits;
    if (this.#mostBytes <= maxBytes) return true;
    this.#mostBytes = 0;
    for (const retained of this.#retained.values()) {
      retained.heldBytes = retained.process.output.heldBytes;
      this.#mostBytes += retained.heldBytes;
    }
    return this.#mostBytes <= maxBytes;
  }

  #forget({ process, heldBytes }: Retained): void {
    this.#retained.delete(process.processId);
    this.#mostBytes -= heldBytes;
    process.output.release();
    this.#onForget(process);
  }
}
