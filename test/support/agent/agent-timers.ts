// Timers that the agent's own code has started in the test's process. Vitest's own timers are not
// counted.

import { createHook } from "node:async_hooks";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../../../src/", import.meta.url));

const started = new Set<number>();

createHook({
  init(id, type) {
    if (type === "Timeout" && new Error().stack?.includes(SOURCE) === true) started.add(id);
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
