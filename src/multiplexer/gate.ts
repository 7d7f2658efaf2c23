// The gate: whether producers shall read. A pure function of numbers (rules 9 and 10).
//
//   attached   open --- backlog reaches the window --------> full
//              full --- backlog falls to half the window --> open
//   detached   as the mode says

import type { DetachedMode } from "./multiplexer-options.ts";
import { mostHeldFor } from "./retention.ts";

/** What the slowest subscriber may have before it when the budget is spent: one read. */
export const SPENT_BACKLOG_BYTES = 64 * 1024;

export interface GateState {
  readonly hasEnded: boolean;
  readonly subscriberCount: number;
  /** Whether a blocking subscriber sets the pace. */
  readonly isPaced: boolean;
  /** What `isFull` returned last. */
  readonly wasFull: boolean;
  /** What the slowest blocking subscriber has before it; without one, what is not delivered. */
  readonly backlogBytes: number;
  /** The bytes from the first that is not delivered to the head. */
  readonly undeliveredBytes: number;
  readonly isBudgetSpent: boolean;
  readonly windowBytes: number;
  readonly detached: DetachedMode;
}

/** Whether the slowest blocking subscriber is a window behind, or was and is still more than half of one behind. */
export function isFull({ isPaced, wasFull, backlogBytes, windowBytes }: GateState): boolean {
  return isPaced && (wasFull ? backlogBytes > windowBytes / 2 : backlogBytes >= windowBytes);
}

export function mayRead(state: GateState): boolean {
  if (state.hasEnded) return false;
  return state.subscriberCount > 0 ? mayReadAttached(state) : mayReadDetached(state);
}

function mayReadAttached(state: GateState): boolean {
  if (isFull(state)) return false;
  // A spent budget slows clients, observers included. It must not stop them, or they could never make room.
  return !state.isBudgetSpent || state.backlogBytes < SPENT_BACKLOG_BYTES;
}

function mayReadDetached({ detached, isBudgetSpent, undeliveredBytes, backlogBytes }: GateState): boolean {
  if (detached.kind === "block" || isBudgetSpent) return false;
  if (detached.kind === "ring") return true;
  return undeliveredBytes < detached.bytes && backlogBytes < mostHeldFor(detached.bytes);
}
