// The pace of discarding the output of orphans (rule 4): all of them together get a number of reads
// per interval, so that an orphan that writes without pause waits a little in its writes instead of
// taking a core of the agent (`yes` took 50 to 70 %). Orphans that write less never wait.

import { startTimer } from "../../clock.ts";

const INTERVAL_MS = 10;
/** About 0.5 ms of work: reads of 64 KiB, so up to 100 MB a second. */
const READS_PER_INTERVAL = 16;

let readsLeft = READS_PER_INTERVAL;
let isTimed = false;
/** In the order in which they ran out of reads. */
const waiting: (() => void)[] = [];

/** Call it after each read. False: read again when `resume` is called. */
export function mayDiscardMore(resume: () => void): boolean {
  readsLeft--;
  // Without reads no timer: at rest the agent does not wake up (rule 19).
  startInterval();
  if (readsLeft > 0) return true;
  waiting.push(resume);
  return false;
}

function startInterval(): void {
  if (isTimed) return;
  isTimed = true;
  startTimer(INTERVAL_MS, () => {
    isTimed = false;
    readsLeft = READS_PER_INTERVAL;
    // Each reads at least once, so no more than there are reads.
    for (const resume of waiting.splice(0, READS_PER_INTERVAL)) resume();
    if (waiting.length > 0) startInterval();
  });
}
