// Collects the garbage of large requests. A JSON message of 16 MiB leaves about 70 MB: its pieces, their concatenation, the
// text, the parsed strings and the decoded input. V8 waits until much more has gathered, and a few clients that send such
// messages would hold more memory than the budget. A collection takes about 20 ms, less than one such message.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** After JSON requests of this size in all. Small ones do not count. */
const COLLECT_AFTER_BYTES = 4 * 1024 * 1024;
const LARGE_BYTES = 256 * 1024;

let collect: (() => void) | undefined;
let largeBytes = 0;
let isScheduled = false;

/** To be called when a JSON request of `bytes` has been passed on. */
export function noteReleased(bytes: number): void {
  if (bytes < LARGE_BYTES) return;
  largeBytes += bytes;
  if (largeBytes < COLLECT_AFTER_BYTES || isScheduled) return;
  isScheduled = true;
  // In a later turn: in this one the message is still in use.
  setImmediate(() => {
    isScheduled = false;
    largeBytes = 0;
    collect ??= collector();
    collect();
  });
}

/** `gc` without the flag --expose-gc at start, which a bundle cannot demand. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}
