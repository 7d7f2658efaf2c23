// Settings of this program's memory, so that the agent returns what it no longer uses. They do not change what it can hold.

import { setFlagsFromString } from "node:v8";
import { returnFreeMemory } from "../linux/index.ts";

/**
 * To be called once, early. V8's space for new objects does not grow any further: with large requests it grew to 32 MB, most
 * of which was unused between two collections.
 */
export function keepMemorySmall(): void {
  returnFreeMemory();
  setFlagsFromString("--semi-space-growth-factor=1");
}
