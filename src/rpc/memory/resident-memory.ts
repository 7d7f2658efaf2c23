// What requests and output report to the watch over resident memory (memory-watch.ts). One for the agent of this process.

import type { Clock } from "../../clock.ts";
import { setMemoryIsShort } from "../../linux/index.ts";
import { type MemoryBudget, watchAllocations } from "../../multiplexer/index.ts";
import {
  areBuffersWorthCollecting,
  beyondBudgetBytes,
  collectAll,
  collectNew,
  isWorthCollecting,
  newBytes,
  returnUnused,
  setBudget,
} from "./garbage.ts";
import { MemoryWatch } from "./memory-watch.ts";

/** After this many bytes of garbage or of new output buffers, new objects are collected, and memory is looked at. */
const LOOK_AFTER_BYTES = 4 * 1024 * 1024;
/** A small call leaves about 40 KB. After so many requests, memory is looked at too. */
const LOOK_AFTER_REQUESTS = 200;

let watch: MemoryWatch | undefined;
let requests = 0;
let garbageBytes = 0;
let allocatedBytes = 0;

/**
 * To be called once. Without it, memory is not looked at. While memory is short, so is `budget`. `onShort`: it is short now, or no
 * longer.
 */
export function watchResidentMemory(
  budget: Pick<MemoryBudget, "bytes" | "setShort">,
  clock: Clock,
  onShort: (isShort: boolean) => void,
): void {
  setBudget(budget.bytes);
  const memory = {
    ...{ beyondBudgetBytes, newBytes, isWorthCollecting, areBuffersWorthCollecting },
    ...{ collectAll: () => collectAll(), collectNew, returnUnused },
  };
  const events = {
    onLook: setMemoryIsShort,
    onShort: (isShort: boolean) => {
      budget.setShort(isShort);
      onShort(isShort);
    },
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

/** To be called at the end of each request. */
export function noteRequest(): void {
  if (++requests < LOOK_AFTER_REQUESTS) return;
  requests = 0;
  watch?.look();
}
