// Counts connections without a request in the memory budget (rule 14). What a connection takes while it has one is counted with
// the request (request-limit.ts).

import { MAX_IDLE_IN_SHORT_MEMORY } from "../../http/index.ts";
import type { MemoryBudget } from "../../multiplexer/index.ts";

/** Measured on Node 26, with half a head of a request. */
const COST_BYTES = 24 * 1024;
/** Idle connections alone must never make a small budget spent: their number has its own limit. */
const MOST_PART = 1 / 4;

/**
 * Returns what is to be called with each new number of idle connections. As many as stay open while memory is short do not
 * count.
 */
export function idleMemory(budget: Pick<MemoryBudget, "bytes" | "join">): (connections: number) => void {
  const share = budget.join({});
  return (connections) => {
    const bytes = Math.min(
      COST_BYTES * Math.max(0, connections - MAX_IDLE_IN_SHORT_MEMORY),
      budget.bytes * MOST_PART,
    );
    if (bytes !== share.reportedBytes) share.report(bytes);
  };
}
