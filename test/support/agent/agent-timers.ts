// Timers that the agent's own code has started in the test's process. Vitest has some of its own, which come and go.

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

/** How many were started since this was imported and are still to come. One that was cancelled may count until the next turn. */
export function agentTimers(): number {
  return started.size;
}
