// How much output stays held: pure functions of numbers. The multiplexer applies them to its window.

import type { DetachedMode } from "./multiplexer-options.ts";

/**
 * The most that holding `bytes` of output may cost. Alternating pieces of stdout and stderr are too
 * short to merge, and each costs CHUNK_OVERHEAD_BYTES: without this bound a program that prints single
 * bytes would cost 500 times its output.
 */
export function mostHeldFor(bytes: number): number {
  return 2 * bytes + 128 * 1024;
}

/** What is held is trimmed below this: no blocking subscriber needs it, and it is older than the replay. */
export function replayFrom(needed: number, delivered: number, replayBytes: number): number {
  return Math.min(needed, delivered - replayBytes);
}

export interface NewestState {
  readonly subscriberCount: number;
  readonly isPaced: boolean;
  readonly windowBytes: number;
  readonly replayBytes: number;
  readonly detached: DetachedMode;
}

/**
 * While no blocking subscriber is attached, new output evicts all but this many of the newest bytes,
 * delivered or not; undefined when new output evicts nothing. Only new output evicts: a client that
 * leaves a ring, or an observer that comes, evicts nothing.
 */
export function newestBytesKept(state: NewestState): number | undefined {
  const { subscriberCount, isPaced, windowBytes, replayBytes, detached } = state;
  if (subscriberCount === 0) return detached.kind === "ring" ? replayBytes : undefined;
  if (isPaced) return undefined;
  // Observers only: what the process would keep for its next client without them, and a window for them.
  return Math.max(replayBytes, windowBytes, detached.kind === "buffer" ? detached.bytes : 0);
}
