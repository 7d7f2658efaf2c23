// The gate: whether producers shall read. A pure function of numbers (rules 9, 10 and 13). Observers
// are not among its arguments.
//
//   attached   open --- backlog reaches the window --------> full
//              full --- backlog falls to half the window --> open
//   detached   as the mode says
//   exited     open, unless the budget is spent and a client is attached

import type { DetachedMode } from "./multiplexer-options.ts";
import { mostHeldFor } from "./retention.ts";

/**
 * The backlog of the slowest subscriber that is allowed while the budget is spent: one read, so
 * producers read no more at a time then.
 */
export const SPENT_BACKLOG_BYTES = 4 * 1024;

export interface GateState {
  readonly hasEnded: boolean;
  /** Whether a blocking subscriber was ever attached, or the process began detached. Before, nothing is read. */
  readonly hasBegun: boolean;
  /** The process has exited and left more output in its pipes than was read at once. */
  readonly isReadingOut: boolean;
  /** Whether a blocking subscriber is attached. */
  readonly isAttached: boolean;
  /** The last result of `isFull`. */
  readonly wasFull: boolean;
  /** The backlog of the slowest blocking subscriber; detached, of the next client. */
  readonly backlogBytes: number;
  /** The bytes that are held and not delivered. */
  readonly undeliveredBytes: number;
  readonly isBudgetSpent: boolean;
  readonly windowBytes: number;
  readonly detached: DetachedMode;
}

/** Whether the slowest blocking subscriber is a window behind, or was and is still more than half of one behind. */
export function isFull({ isAttached, wasFull, backlogBytes, windowBytes }: GateState): boolean {
  return isAttached && (wasFull ? backlogBytes > windowBytes / 2 : backlogBytes >= windowBytes);
}

export function mayRead(state: GateState): boolean {
  if (state.hasEnded) return false;
  if (state.isReadingOut) return mayReadOut(state);
  if (!state.hasBegun) return false;
  return state.isAttached ? mayReadAttached(state) : mayReadDetached(state);
}

/** Why producers do not read: no client is attached, the budget is spent, or the slowest subscriber has a full window. */
export type PausedReason = "detached" | "budget" | "slowClient";

/** Undefined while `mayRead` is true, before the first client, and after the end. */
export function pausedReason(state: GateState): PausedReason | undefined {
  if (state.hasEnded || mayRead(state)) return undefined;
  if (state.isReadingOut) return "budget";
  if (!state.hasBegun) return undefined;
  if (state.isAttached) return isFull(state) ? "slowClient" : "budget";
  return state.isBudgetSpent && mayRead({ ...state, isBudgetSpent: false }) ? "budget" : "detached";
}

/**
 * The end waits for this output, so neither the mode nor the window holds it up. A spent budget does while a client is
 * attached; without one, the budget drops what does not fit, as it does after the end (rule 12).
 */
function mayReadOut({ isAttached, isBudgetSpent, backlogBytes }: GateState): boolean {
  return !isAttached || !isBudgetSpent || backlogBytes < SPENT_BACKLOG_BYTES;
}

function mayReadAttached(state: GateState): boolean {
  if (isFull(state)) return false;
  // A spent budget slows clients. It must not stop them, or they could never make room.
  return !state.isBudgetSpent || state.backlogBytes < SPENT_BACKLOG_BYTES;
}

function mayReadDetached({ detached, isBudgetSpent, undeliveredBytes, backlogBytes }: GateState): boolean {
  if (detached.kind === "block" || isBudgetSpent) return false;
  if (detached.kind === "ring") return true;
  return undeliveredBytes < detached.bytes && backlogBytes < mostHeldFor(detached.bytes);
}
