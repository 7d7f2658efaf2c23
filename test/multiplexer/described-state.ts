// What List shows of a multiplexer. Every change of it must be reported by a call of onChange.

import type { Multiplexer } from "../../src/multiplexer/index.ts";

export function describedState<End extends object>(of: Multiplexer<End>): string {
  const { head, heldBytes, subscriberCount, blockingCount, attachOffset, isReading, pausedReason } = of;
  const values = { head, heldBytes, subscriberCount, blockingCount, attachOffset, isReading, pausedReason };
  return JSON.stringify({ ...values, slowestOffset: of.slowestOffset, hasEnded: of.end !== undefined });
}
