// The memory of objects that are still in use, in the process of the tests.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
}

/** Collects all garbage first. */
export function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
