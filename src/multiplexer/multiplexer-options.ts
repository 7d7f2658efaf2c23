// The configuration of a multiplexer: how much it holds, for which clients and how long.

import type { Clock } from "../clock.ts";
import type { MemoryBudget } from "./memory-budget.ts";

/** The behaviour while no blocking subscriber is attached (rule 9). */
export type DetachedMode =
  /** Stop reading at once. */
  | { readonly kind: "block" }
  /** Read until `bytes` of undelivered output are held, or, of very short pieces, `mostHeldFor(bytes)`. */
  | { readonly kind: "buffer"; readonly bytes: number }
  /** Keep reading; new output evicts all but the newest `replayBytes`, bounded by `mostHeldFor`. */
  | { readonly kind: "ring" };

export interface MultiplexerOptions {
  /**
   * While a subscriber is attached, reading stops once the slowest blocking subscriber has this much
   * before it (OutputWindow.backlogBytes), and starts again when half of it is gone: stopping and
   * starting cost a system call each. A producer that pushes at most P bytes after it was stopped makes
   * the bound `windowBytes + P`.
   */
  readonly windowBytes: number;
  /** How much delivered output stays held, so that a client can resume; bounded by `mostHeldFor`. */
  readonly replayBytes: number;
  readonly detached: DetachedMode;
  /** Rule 11: how long a subscriber that accepts nothing may hold up others. */
  readonly stallMs: number;
  readonly budget: MemoryBudget;
  readonly clock: Clock;
  /** The wall clock, in milliseconds since the epoch. Absent: the times of output are not kept. */
  readonly wallMs?: () => number;
  /**
   * The gate: called at each change with whether producers shall read. At first they shall not: nothing
   * is attached, and a mode that reads while detached begins when the first subscriber has left. It may
   * push; it must not throw.
   */
  readonly onReading: (isReading: boolean) => void;
  /**
   * Called whenever one of the values may have changed that describe this multiplexer to a client: its offsets, what it
   * holds, its subscribers, the gate and its reason, the end. Often called without a change. It must not throw.
   */
  readonly onChange?: () => void;
}
