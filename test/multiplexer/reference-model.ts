// What the multiplexer promises, without a window, chunks or trimming: every byte ever pushed, the first that nobody
// took, and how far each subscriber is. Short enough to be checked by reading it.

import type { OutputStream } from "../../src/multiplexer/index.ts";

export interface Place {
  readonly start: number;
  readTo: number;
  takenTo: number;
}

export class ReferenceModel {
  head = 0;
  delivered = 0;
  ended = false;
  readonly places = new Set<Place>();

  push(bytes: number): void {
    this.head += bytes;
  }

  fork(): Place {
    const place = { start: this.delivered, readTo: this.delivered, takenTo: this.delivered };
    this.places.add(place);
    return place;
  }

  /** What a read at `place` must find. */
  due(place: Place): "chunks" | "end" | "empty" {
    if (place.readTo < this.head) return "chunks";
    return this.ended ? "end" : "empty";
  }

  taken(place: Place): void {
    place.takenTo = place.readTo;
    this.delivered = Math.max(this.delivered, place.takenTo);
  }

  /** The first byte that somebody has still to take, or nobody has taken yet. */
  get heldFrom(): number {
    return Math.min(this.delivered, ...[...this.places].map((place) => place.takenTo));
  }
}

/**
 * The bytes of `stream` at `[from, from + bytes)`. A byte says which stream and which place it belongs to, so that one
 * that is lost, doubled, moved or mislabelled is seen. Shared memory: not to be written to.
 */
export function outputAt(stream: OutputStream, from: number, bytes: number): Buffer {
  const start = from % PERIOD;
  return patterns[stream].subarray(start, start + bytes);
}

const PERIOD = 83;
const LONGEST = 80 * 1024;

function pattern(nth: number): Buffer {
  return Buffer.from(Array.from({ length: LONGEST + PERIOD }, (_, at) => nth * PERIOD + (at % PERIOD)));
}

const patterns = { stdout: pattern(0), stderr: pattern(1), pty: pattern(2) };
