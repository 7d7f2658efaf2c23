// Collects the garbage of requests, and of output buffers whose client disconnected during a write. V8
// decides by the size of its own heap, where buffers and the memory of long strings hardly count. Without
// this file, 64 MB of network buffers accumulate, and a JSON message of 16 MiB leaves about 70 MB: its
// pieces, their concatenation, the text, the parsed strings and the decoded input. resident-memory.ts says when.

import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MessageChannel } from "node:worker_threads";
import { returnGaps, unmapCode } from "../../linux/index.ts";

type Collect = (options?: { readonly type: "minor" }) => void;

/** After JSON requests of this size in all. Small ones do not count. A collection takes about 10 ms. */
const COLLECT_AFTER_BYTES = 2 * 1024 * 1024;
const LARGE_BYTES = 256 * 1024;

/**
 * Resident memory beyond the budget from which on the agent's own code is unmapped after a collection: 20 to 30 MB of about
 * 50, until it is used again. A message of which each byte needs three is expected in addition.
 */
const UNMAP_BEYOND_BYTES = 50_000_000;
const UNMAP_PAUSE_MS = 100;
const DECODED_COPIES = 3;

/**
 * What must be new since the last collection, so that the next is worth its time: this much, and this part of the heap. An agent
 * with 5,000 clients always has much in memory, and a collection of its heap takes 100 ms.
 */
const LEAST_NEW_BYTES = 6_000_000;
const NEW_PART = 1 / 6;
/** The same for a collection of new objects only. */
const NEW_BUFFERS_BYTES = 3_000_000;

/** The first major version with such a pool, in Node 25. Node 24 has 13.6, which does not know the option. */
const V8_WITH_LARGE_PAGE_POOL = 14;

let collect: Collect | undefined;
/** What may be resident beside what the agent itself needs. */
let allowedBytes = () => Number.POSITIVE_INFINITY;
let noUnmapBeforeMs = 0;
let noReturnBeforeMs = 0;
let largeBytes = 0;
let isScheduled = false;
/** What was in use after the last collection. It becomes less when V8 frees the buffers of collected objects, in another thread. */
let leastInUse = 0;
/** The same of buffers and long texts. */
let leastOutside = 0;

/** To be called before everything else. `allowed`: what may be resident beside what the agent itself needs. */
export function setAllowed(allowed: () => number): void {
  allowedBytes = allowed;
}

/**
 * V8 lets its space for new objects grow to 33 MB on Node 20 and to 67 on Node 26, when many requests at once keep objects
 * alive. Without growth, about 2 MB remain. The option for that (--max-semi-space-size) counts only at the start of a
 * program. Later versions also keep up to 32 MB of freed large objects for 8 s: 16 MB after each large message.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  // V8 would complain about an option that it does not know.
  if (Number.parseInt(process.versions.v8, 10) >= V8_WITH_LARGE_PAGE_POOL)
    setFlagsFromString("--no-large-page-pool");
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

/** Collects only new objects, in about 1 ms. */
export function collectNew(): void {
  collector()({ type: "minor" });
  leastOutside = inUse().outsideBytes;
}

/** Whether many buffers are new: V8 does not notice them, because their memory is outside of its heap. */
export function areBuffersWorthCollecting(): boolean {
  const { outsideBytes } = inUse();
  leastOutside = Math.min(leastOutside, outsideBytes);
  return outsideBytes - leastOutside >= NEW_BUFFERS_BYTES;
}

/** What was added since the last collection. Buffers that V8 has freed since then do not count. */
export function newBytes(): number {
  return addedTo(inUse().bytes);
}

/** Whether enough is new since the last collection that another is worth its time. */
export function isWorthCollecting(): boolean {
  const { heapBytes, bytes } = inUse();
  return addedTo(bytes) >= Math.max(LEAST_NEW_BYTES, heapBytes * NEW_PART);
}

function addedTo(bytes: number): number {
  leastInUse = Math.min(leastInUse, bytes);
  return bytes - leastInUse;
}

/** The objects of the heap, the buffers and long texts outside of it, and both together. Garbage counts. */
function inUse(): { readonly heapBytes: number; readonly outsideBytes: number; readonly bytes: number } {
  const { used_heap_size: heapBytes, external_memory: outsideBytes } = getHeapStatistics();
  return { heapBytes, outsideBytes, bytes: heapBytes + outsideBytes };
}

/** How far resident memory exceeds what is allowed. */
export function beyondAllowedBytes(): number {
  return process.memoryUsage.rss() - allowedBytes();
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
  collector()();
  ({ bytes: leastInUse, outsideBytes: leastOutside } = inUse());
  returnGaps();
  unmapCodeIfNear(expectedBytes);
}

/** Returns to the kernel what is there to return without a collection. */
export function returnUnused(): void {
  const nowMs = performance.now();
  if (nowMs < noReturnBeforeMs) return;
  noReturnBeforeMs = nowMs + UNMAP_PAUSE_MS;
  returnGaps();
  unmapCodeIfNear(0);
}

function unmapCodeIfNear(expectedBytes: number): void {
  const nowMs = performance.now();
  if (nowMs < noUnmapBeforeMs || beyondAllowedBytes() + expectedBytes < UNMAP_BEYOND_BYTES) return;
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
