// What requests and output report to the watch over resident memory (memory-watch.ts). One for the agent of this process.

import type { Clock } from "../../clock.ts";
import { setMapsSmallBlocks } from "../../linux/index.ts";
import { type MemoryBudget, watchAllocations } from "../../multiplexer/index.ts";
import {
  areBuffersWorthCollecting,
  beyondAllowedBytes,
  collectAll,
  collectNew,
  isWorthCollecting,
  keepHeapSmall,
  newBytes,
  returnUnused,
  setAllowed,
} from "./garbage.ts";
import { type MemoryState, MemoryWatch } from "./memory-watch.ts";

/** After this many bytes of garbage or of new output buffers, new objects are collected, and memory is looked at. */
const LOOK_AFTER_BYTES = 4 * 1024 * 1024;
/** A small call leaves about 40 KB. After so many requests, memory is looked at too. */
const LOOK_AFTER_REQUESTS = 200;

const LONG_HEADER_BYTES = 2 * 1024;
/** Node holds them as text, and as the bytes they came in. */
export const HEADER_COPIES = 2;

let watch: MemoryWatch | undefined;
let requests = 0;
let garbageBytes = 0;
let allocatedBytes = 0;

/** With a smaller budget the agent itself would seem to be too much: it takes 45 to 60 MB after some work. */
const LEAST_BUDGET_BYTES = 20_000_000;
/** A full budget is normal, and then the agent itself needs this much more: buffers, and code that is in use. */
const FULL_BYTES = 6_000_000;
/** The default limits allow so many live and retained processes, which are a part of the 100 MB. Who raises the limits allows more. */
const USUAL_PROCESSES = 2048;
const PROCESS_BYTES = 16 * 1024;

/** What can be used of the budget. */
const USABLE_PARTS: Readonly<Record<MemoryState, number>> = { enough: 1, scarce: 3 / 4, short: 1 / 4 };

export interface ResidentMemoryOptions {
  readonly budget: Pick<MemoryBudget, "bytes" | "heldBytes" | "setUsablePart">;
  readonly clock: Clock;
  /** The live and the retained processes. */
  readonly processCount: () => number;
  /** Memory is short now, or no longer. */
  readonly onShort: (isShort: boolean) => void;
}

/** To be called once. Without it, memory is not looked at. While memory is short or scarce, a part of the budget can be used. */
export function watchResidentMemory({ budget, clock, processCount, onShort }: ResidentMemoryOptions): void {
  keepHeapSmall();
  const budgetBytes = Math.max(budget.bytes, LEAST_BUDGET_BYTES);
  setAllowed(() => budgetBytes + PROCESS_BYTES * Math.max(0, processCount() - USUAL_PROCESSES));
  const memory = {
    beyondBytes: () => beyondAllowedBytes() - Math.max(0, budget.heldBytes + FULL_BYTES - budgetBytes),
    ...{ newBytes, isWorthCollecting, areBuffersWorthCollecting },
    ...{ collectAll, collectNew, returnUnused },
  };
  const events = {
    onLook: setMapsSmallBlocks,
    // Later: a look can come from within a change of a window, and this changes the gates of all.
    onState: (state: MemoryState) =>
      void setImmediate(() => {
        budget.setUsablePart(USABLE_PARTS[state]);
        onShort(state === "short");
      }),
  };
  watch = new MemoryWatch(memory, events, clock);
  watchAllocations(noteAllocated);
}

/** To be called for each new output buffer. Buffers of a client that disconnected during a write are garbage that V8 does not notice. */
export function noteAllocated(bytes: number): void {
  allocatedBytes += bytes;
  if (allocatedBytes < LOOK_AFTER_BYTES) return;
  allocatedBytes = 0;
  watch?.look();
}

/** To be called for buffers and texts that are soon garbage. */
export function noteGarbage(bytes: number): void {
  garbageBytes += bytes;
  if (garbageBytes < LOOK_AFTER_BYTES) return;
  garbageBytes = 0;
  if (watch?.look() !== true) collectNew();
}

/** To be called for each request. Short headers are a small part of its garbage. */
export function noteRequest(headerBytes: number): void {
  if (headerBytes >= LONG_HEADER_BYTES) noteGarbage(HEADER_COPIES * headerBytes);
  if (++requests < LOOK_AFTER_REQUESTS) return;
  requests = 0;
  watch?.look();
}
