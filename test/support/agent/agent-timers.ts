// Timers that the agent's own code has started in the test's process. Vitest's own timers are not
// counted, and neither is the pulse of the clock, which ticks as long as one of its timers is pending.

import { createHook } from "node:async_hooks";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../../../src/", import.meta.url));

const started = new Set<number>();

createHook({
  init(id, type) {
    if (type !== "Timeout") return;
    const stack = new Error().stack ?? "";
    if (stack.includes(SOURCE) && !stack.includes("at startPulse ")) started.add(id);
  },
  destroy(id) {
    started.delete(id);
  },
}).enable();

/**
 * How many timers were started since this module was imported and have not fired. A cancelled one
 * may count until the next turn.
 */
export function agentTimers(): number {
  return started.size;
}
