// The pace of discarding the output of orphans (rule 4): all of them together get a number of reads
// per interval, so that an orphan that writes without pause waits a little in its writes instead of
// taking a core of the agent (`yes` took 50 to 70 %). Orphans that write less never wait.

import { startTimer } from "../../clock.ts";

/** About 0.3 ms of work on a fast machine: reads of 64 KiB, so up to 100 MB a second. */
const READS_PER_INTERVAL = 16;
const SHORTEST_INTERVAL_MS = 10;
/** The share of a core that the reads may take; rule 4 allows a tenth with all else. A slow machine gets longer intervals. */
const SHARE_OF_CORE = 0.04;

/** Reads once. False: there was nothing, and it waits for more by itself. */
export type DiscardOnce = () => boolean;

let readsLeft = READS_PER_INTERVAL;
let isTimed = false;
/** In the order in which they read next. */
const waiting: DiscardOnce[] = [];

/** Call it after each read. False: this interval has no read left, and `discardOnce` is called in the next ones. */
export function mayDiscardMore(discardOnce: DiscardOnce): boolean {
  readsLeft--;
  // Without reads no timer: at rest the agent does not wake up (rule 19).
  if (!isTimed) startInterval(SHORTEST_INTERVAL_MS);
  if (readsLeft > 0) return true;
  waiting.push(discardOnce);
  return false;
}

function startInterval(lengthMs: number): void {
  isTimed = true;
  startTimer(lengthMs, () => {
    isTimed = false;
    readsLeft = READS_PER_INTERVAL;
    if (waiting.length === 0) return;
    const usedMs = timeOf(discardInTurn);
    startInterval(Math.max(SHORTEST_INTERVAL_MS, usedMs / SHARE_OF_CORE));
  });
}

/** One read for each that waits, again and again. */
function discardInTurn(): void {
  for (; readsLeft > 0; readsLeft--) {
    const discardOnce = waiting.shift();
    if (discardOnce === undefined) return;
    if (discardOnce()) waiting.push(discardOnce);
  }
}

/** The CPU time that `work` takes. */
function timeOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
