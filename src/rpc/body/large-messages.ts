// One large message is decoded in a turn of the event loop. Each can take 100 ms and more, and several that were complete at
// once would delay all other clients together (rule 15).

import { Pace } from "../../http/index.ts";

const LARGE_BYTES = 256 * 1024;

const pace = new Pace(1);

/** To be awaited before the last part of a message of `bytes` is passed on to its decoder. */
export function turnFor(bytes: number): Promise<void> | undefined {
  return bytes < LARGE_BYTES ? undefined : new Promise((resolve) => pace.add(resolve));
}
