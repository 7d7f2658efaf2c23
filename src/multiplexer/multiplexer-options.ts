// How much a multiplexer holds, for whom and how long.

import type { Clock } from "../clock.ts";
import type { MemoryBudget } from "./memory-budget.ts";

/** What the slowest subscriber may have before it when the budget is spent: one read. */
export const SPENT_BACKLOG_BYTES = 64 * 1024;

/**
 * What the memory of `bytes` of output may count: pieces of stdout and stderr in turn are too short to gather, and each
 * costs CHUNK_OVERHEAD_BYTES. Without this bound a program that prints single bytes would make it 500 times as much.
 */
export function mostHeldFor(bytes: number): number {
  return 2 * bytes + 128 * 1024;
}

/** What to do while nobody is attached (rules 5 and 8). */
export type DetachedMode =
  /** Stop reading at once. */
  | { readonly kind: "block" }
  /** Read on until `bytes` are held that nobody has had, or as many in short pieces as fit in `mostHeldFor`; then stop. */
  | { readonly kind: "buffer"; readonly bytes: number }
  /** Read on for ever; new output pushes out all but the newest `replayBytes`, or what of it fits in `mostHeldFor`. */
  | { readonly kind: "ring" };

export interface MultiplexerOptions {
  /**
   * While somebody is attached, reading stops once the slowest blocking subscriber has this much before it
   * (OutputWindow.backlogBytes), and goes on when half of it is gone: stopping and starting cost a system call each. A
   * producer that pushes at most P bytes after it was told to stop makes the bound `windowBytes + P`.
   */
  readonly windowBytes: number;
  /** How much that everybody has had stays held, so that a client can come back to it; at most what `mostHeldFor` says. */
  readonly replayBytes: number;
  readonly detached: DetachedMode;
  /** Rule 7: how long who takes nothing may keep others waiting. */
  readonly stallMs: number;
  readonly budget: MemoryBudget;
  readonly clock: Clock;
  /**
   * The gate: told at each change whether producers shall read. At first they shall not: nobody is attached, and a mode
   * that reads on all the same begins when the first has left. May push; must not throw.
   */
  readonly onReading: (reading: boolean) => void;
}
