// Processes that have ended and are still retained, so that late clients find them. Forgotten when
// their time has passed, or when they are too many: then the one whose time passes first. Their
// output is not limited here: the memory budget evicts it when it needs the room (rule 12).

import { realClock, startTimer, type Timer } from "../../clock.ts";
import { fromLastingMs, toLastingMs } from "../../lasting-time.ts";
import type { ProcessEnd } from "../end-status.ts";
import type { Process } from "../process.ts";
import { DueList } from "./due-list.ts";

export interface RetentionLimits {
  /** For processes whose request does not ask for another time. */
  readonly retainMs: number;
  /** Of the processes that ask for more than `retainMs`, and of the others, each. */
  readonly maxProcesses: number;
}

/** Why an ended process is no longer retained. */
export type ForgetReason =
  | { readonly kind: "time"; readonly retainMs: number }
  | { readonly kind: "count"; readonly maxProcesses: number }
  /** A client has received its end, and the request asked for no more. */
  | { readonly kind: "delivered" }
  | { readonly kind: "shutdown" };

export interface Forgotten {
  readonly process: Process;
  readonly end: ProcessEnd;
  readonly reason: ForgetReason;
}

interface Retained {
  readonly process: Process;
  readonly end: ProcessEnd;
  readonly retainMs: number;
  readonly untilMs: number;
}

export class EndedProcesses {
  readonly #limits: RetentionLimits;
  readonly #onForget: (forgotten: Forgotten) => void;
  /** By processId, in the order of their ends. */
  readonly #retained = new Map<string, Retained>();
  /** Apart, so that many ordinary processes do not shorten a time that a client asked for, nor the reverse. */
  readonly #ordinary = new DueList<Retained>();
  readonly #asked = new DueList<Retained>();
  #timer: Timer | undefined;

  /** `onForget` is called once for each added process, when it is no longer retained. */
  constructor(limits: RetentionLimits, onForget: (forgotten: Forgotten) => void) {
    this.#limits = limits;
    this.#onForget = onForget;
  }

  get size(): number {
    return this.#retained.size;
  }

  /** In the order of their ends. */
  list(): Process[] {
    return [...this.#retained.values()].map(({ process }) => process);
  }

  add(process: Process, end: ProcessEnd): void {
    const retainMs = process.request.retainEndedMs ?? this.#limits.retainMs;
    const untilMs = realClock.nowMs() + retainMs;
    this.#hold({ process, end, retainMs, untilMs });
    this.#enforce();
  }

  /** In the order of their ends; `untilMs` is a lasting time. */
  save(): { readonly process: Process; readonly retainMs: number; readonly untilMs: number }[] {
    const nowMs = realClock.nowMs();
    return [...this.#retained.values()].map(({ process, retainMs, untilMs }) => ({
      process,
      retainMs,
      untilMs: toLastingMs(untilMs, nowMs),
    }));
  }

  /** One that ended in another image of this agent. Nothing is forgotten before `goOn`. */
  restore(process: Process, retainMs: number, lastingUntilMs: number): void {
    const { end } = process.output;
    if (end === undefined) throw new Error(`process ${process.pid} is retained and has no end`);
    const untilMs = fromLastingMs(lastingUntilMs, realClock.nowMs());
    this.#hold({ process, end, retainMs, untilMs });
  }

  goOn(): void {
    this.#enforce();
  }

  #hold(retained: Retained): void {
    this.#retained.set(retained.process.processId, retained);
    this.#listOf(retained).add(retained);
  }

  #listOf({ retainMs }: Retained): DueList<Retained> {
    return retainMs > this.#limits.retainMs ? this.#asked : this.#ordinary;
  }

  /** A client has received the end of `process`. Does nothing unless the request asks to be forgotten then. */
  delivered({ processId, request }: Process): void {
    const retained = this.#retained.get(processId);
    if (retained !== undefined && request.forgetDelivered === true)
      this.#forget(retained, { kind: "delivered" });
  }

  /** Forgets all of them. */
  clear(): void {
    for (const retained of [...this.#retained.values()]) this.#forget(retained, { kind: "shutdown" });
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #enforce(): void {
    const nowMs = realClock.nowMs();
    const { maxProcesses } = this.#limits;
    for (const list of [this.#ordinary, this.#asked]) {
      for (let first = list.first; first !== undefined && first.untilMs <= nowMs; first = list.first)
        this.#forget(first, { kind: "time", retainMs: first.retainMs });
      for (let { first } = list; first !== undefined && list.size > maxProcesses; first = list.first)
        this.#forget(first, { kind: "count", maxProcesses });
    }
    this.#setTimer(nowMs);
  }

  /** One timer, for the next one. It may fire early: the process that it was set for may be forgotten already. */
  #setTimer(nowMs: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#retained.size === 0) return;
    const nextMs = Math.min(...[this.#ordinary, this.#asked].map(({ first }) => first?.untilMs ?? Infinity));
    this.#timer = startTimer(Math.ceil(nextMs - nowMs), () => {
      this.#timer = undefined;
      this.#enforce();
    });
  }

  #forget(retained: Retained, reason: ForgetReason): void {
    const { process, end } = retained;
    this.#retained.delete(process.processId);
    this.#listOf(retained).remove(retained);
    process.output.release();
    this.#onForget({ process, end, reason });
  }
}
