// How much output stays held (rule 7): pure functions of numbers. The multiplexer applies them to its
// window. Attaching never evicts, so that looking at a process changes nothing for other clients.

import type { DetachedMode } from "./multiplexer-options.ts";

/**
 * The most that holding `bytes` of output may cost. Alternating pieces of stdout and stderr are too
 * short to merge, and each costs CHUNK_OVERHEAD_BYTES: without this bound a program that prints single
 * bytes would cost 500 times its output.
 */
export function mostHeldFor(bytes: number): number {
  return 2 * bytes + 128 * 1024;
}

/**
 * Delivered output below this is dropped: no blocking subscriber needs it, and it lies more than
 * `replayBytes` below `delivered`. While a client catches up, `delivered` is how far that client is, so
 * that it can resume; new output counts from the highest byte delivered.
 */
export function replayFrom(needed: number, delivered: number, replayBytes: number): number {
  return Math.min(needed, delivered - replayBytes);
}

/** In a detached `ring`, new output evicts what lies below this, delivered or not. In other modes it evicts no backlog. */
export function ringFrom(head: number, replayBytes: number): number {
  return head - replayBytes;
}

/**
 * The most that missed output may cost: output that is not delivered and lies below every attached
 * client. In mode `block` that is the output that was read before the last client left, a window
 * and a read.
 */
export function mostMissed(detached: DetachedMode, windowBytes: number, replayBytes: number): number {
  if (detached.kind === "ring") return mostHeldFor(replayBytes);
  return mostHeldFor(detached.kind === "buffer" ? detached.bytes : windowBytes);
}
