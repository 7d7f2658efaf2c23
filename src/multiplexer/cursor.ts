// One subscriber's place, as the multiplexer sees it.

import type { Offset } from "./chunk.ts";
import type { Fork } from "./subscriber.ts";

export class Cursor {
  readonly skips: boolean;
  readonly onReadable: () => void;
  readonly onCut: ((offset: Offset) => void) | undefined;
  /** Bytes below are delivered to this subscriber; bytes below `readTo` are on their way. */
  takenTo: Offset;
  /** Below the oldest byte held: a gap comes next. */
  readTo: Offset;
  /** Its last read was `empty`, and it was not called since. */
  waiting = false;
  /** When its connection last took something, or had nothing to take. */
  progressedAtMs: number;

  constructor(start: Offset, fork: Fork, nowMs: number) {
    this.skips = fork.skips ?? false;
    this.onReadable = fork.onReadable;
    this.onCut = fork.onCut;
    this.takenTo = start;
    this.readTo = start;
    this.progressedAtMs = nowMs;
  }

  /** Waits for output, and has accepted all there was. */
  get isIdle(): boolean {
    return this.waiting && this.takenTo === this.readTo;
  }
}
