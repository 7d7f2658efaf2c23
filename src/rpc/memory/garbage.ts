// Collects the garbage of requests, and of output buffers whose client disconnected during a write. V8
// decides by the size of its own heap, where buffers and the memory of long strings hardly count. Without
// this file, 64 MB of network buffers accumulate, and a JSON message of 16 MiB leaves about 70 MB: its
// pieces, their concatenation, the text, the parsed strings and the decoded input.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MessageChannel } from "node:worker_threads";
import { returnGaps, setMemoryIsShort, unmapCode } from "../../linux/index.ts";
import { watchAllocations } from "../../multiplexer/index.ts";

type Collect = (options?: { readonly type: "minor" }) => void;

/** After JSON requests of this size in all. Small ones do not count. A collection takes about 10 ms. */
const COLLECT_AFTER_BYTES = 2 * 1024 * 1024;
const LARGE_BYTES = 256 * 1024;

/**
 * After this many bytes of garbage, new objects are collected (1 ms). Resident memory is looked at after as many bytes of garbage
 * or of new output buffers.
 */
const LOOK_AFTER_BYTES = 4 * 1024 * 1024;
/** The same while resident memory exceeds the budget by TOLERATED_BYTES. */
const LOOK_SOON_BYTES = 1024 * 1024;
/**
 * How far resident memory may exceed the budget before all garbage is collected; the promise is 100 MB. Above URGENT_BYTES,
 * PAUSE_FACTOR does not apply.
 */
const TOLERATED_BYTES = 55_000_000;
const URGENT_BYTES = 70_000_000;
/** Below the second limit, collections because of resident memory take at most a fifth of the time. */
const PAUSE_FACTOR = 4;

/**
 * A small call leaves about 40 KB, which many calls at once carry into the space of old objects. V8 lets that space grow to
 * several times what is in use. So resident memory is looked at after so many requests, and all garbage is collected if
 * this much is beyond the budget.
 */
const LOOK_AFTER_REQUESTS = 200;
const NEAR_PROMISE_BYTES = 80_000_000;

/**
 * Resident memory beyond the budget from which on the agent's own code is unmapped after a collection: 20 to 30 MB of about
 * 50, until it is used again. A message of which each byte needs three is expected in addition.
 */
const UNMAP_BEYOND_BYTES = 50_000_000;
const UNMAP_PAUSE_MS = 250;
const DECODED_COPIES = 3;

let collect: Collect | undefined;
let budgetBytes = Number.POSITIVE_INFINITY;
let noUnmapBeforeMs = 0;
let requests = 0;
let largeBytes = 0;
let garbageBytes = 0;
let allocatedBytes = 0;
let lookAfterBytes = LOOK_AFTER_BYTES;
let notBeforeMs = 0;
let isScheduled = false;

/** To be called with the memory budget of the agent before everything else. */
export function setBudget(bytes: number): void {
  budgetBytes = bytes;
  watchAllocations(noteAllocated);
}

/** To be called when a request has been passed on that leaves garbage of `bytes`. */
export function noteReleased(bytes: number): void {
  if (bytes < LARGE_BYTES) return;
  largeBytes += bytes;
  if (largeBytes < COLLECT_AFTER_BYTES || isScheduled) return;
  isScheduled = true;
  // In a later turn: in this one the message is still in use.
  setImmediate(() => {
    isScheduled = false;
    collectAll();
  });
}

/** To be called before a JSON message of `bytes` is decoded: the garbage of the one before must not add to it. */
export function collectBefore(bytes: number): void {
  if (bytes < LARGE_BYTES) return;
  largeBytes += bytes;
  if (largeBytes >= COLLECT_AFTER_BYTES) collectAll(DECODED_COPIES * bytes);
}

/**
 * To be called for each new output buffer. Buffers of a client that disconnected during a write are garbage that V8 does not
 * notice.
 */
export function noteAllocated(bytes: number): void {
  allocatedBytes += bytes;
  if (allocatedBytes < lookAfterBytes) return;
  allocatedBytes = 0;
  look(performance.now());
}

/** To be called for buffers and texts that are soon garbage. */
export function noteGarbage(bytes: number): void {
  garbageBytes += bytes;
  if (garbageBytes < lookAfterBytes) return;
  garbageBytes = 0;
  if (!look(performance.now())) collector()({ type: "minor" });
}

/** Collects all garbage if much memory is resident, and says whether it did. */
function look(startMs: number): boolean {
  const beyondBytes = process.memoryUsage.rss() - budgetBytes;
  lookAfterBytes = beyondBytes < TOLERATED_BYTES ? LOOK_AFTER_BYTES : LOOK_SOON_BYTES;
  setMemoryIsShort(beyondBytes >= TOLERATED_BYTES);
  if (beyondBytes < TOLERATED_BYTES || (beyondBytes < URGENT_BYTES && startMs < notBeforeMs)) return false;
  collectAndPause(startMs);
  return true;
}

/** To be called at the end of each request. */
export function noteRequest(): void {
  if (++requests < LOOK_AFTER_REQUESTS) return;
  requests = 0;
  const startMs = performance.now();
  if (startMs < notBeforeMs || process.memoryUsage.rss() - budgetBytes < NEAR_PROMISE_BYTES) return;
  collectAndPause(startMs);
}

function collectAndPause(startMs: number): void {
  collectAll();
  const endMs = performance.now();
  notBeforeMs = endMs + PAUSE_FACTOR * (endMs - startMs);
}

/** Frees the memory of `buffer`, which is empty then. (ArrayBuffer.transfer exists from Node 22 on.) */
export function freeNow(buffer: ArrayBufferLike): void {
  if (!(buffer instanceof ArrayBuffer)) return;
  const { port1 } = new MessageChannel();
  // Closed first: an open port would keep the message until a later turn.
  port1.close();
  port1.postMessage(undefined, [buffer]);
}

/** `expectedBytes`: what is needed next. */
export function collectAll(expectedBytes = 0): void {
  largeBytes = 0;
  garbageBytes = 0;
  collector()();
  returnGaps();
  unmapCodeIfNear(expectedBytes);
}

function unmapCodeIfNear(expectedBytes: number): void {
  const nowMs = performance.now();
  if (nowMs < noUnmapBeforeMs) return;
  if (process.memoryUsage.rss() + expectedBytes - budgetBytes < UNMAP_BEYOND_BYTES) return;
  unmapCode();
  noUnmapBeforeMs = nowMs + UNMAP_PAUSE_MS;
}

/** `gc` without the flag --expose-gc at start, which a bundle cannot demand. */
function collector(): Collect {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as Collect;
  }
  return collect;
}
