// Divides output into the pieces that a terminal gets, so that each ends between sequences and
// characters if that is possible. The beginning of a sequence is held back until the rest arrives.
// A sequence that is longer than MAX_HELD_BYTES is passed on in parts.

import { Boundaries } from "./boundaries.ts";

export interface Piece {
  readonly data: Uint8Array;
  /** The offset of its first byte. */
  readonly from: number;
  /** The offset behind its last byte. */
  readonly to: number;
  /** Whether it ends between sequences and characters. */
  readonly isBetween: boolean;
}

/** A terminal answers a key between two pieces, so they are small; a call costs little. */
const MAX_PIECE_BYTES = 32 * 1024;
const MAX_HELD_BYTES = 4 * 1024;

export class Pieces {
  #boundaries = new Boundaries();
  #held = new Uint8Array();
  #heldFrom = 0;
  /** A piece never spans it: bytes below it are handled in another way. */
  readonly #border: number;

  constructor(border = 0) {
    this.#border = border;
  }

  /** Whether something is held back. */
  get hasHeld(): boolean {
    return this.#held.length > 0;
  }

  /** The pieces that are complete now. */
  take(data: Uint8Array, offset: number): Piece[] {
    const cut = this.#border - offset;
    if (cut > 0 && cut < data.length)
      return [...this.take(data.subarray(0, cut), offset), ...this.take(data.subarray(cut), this.#border)];
    const pieces: Piece[] = [];
    for (let at = 0; at < data.length; at += MAX_PIECE_BYTES)
      pieces.push(...this.#takePart(data.subarray(at, at + MAX_PIECE_BYTES), offset + at));
    return pieces;
  }

  /** After a gap: the rest of the held bytes never arrives. */
  restart(): void {
    this.#boundaries = new Boundaries();
    this.#held = new Uint8Array();
  }

  /** At the end of the output: the held bytes. */
  rest(): Piece[] {
    const held = this.#held;
    this.restart();
    return held.length === 0 ? [] : [piece(held, this.#heldFrom, false)];
  }

  #takePart(data: Uint8Array, offset: number): Piece[] {
    const last = this.#boundaries.read(data);
    const pieces: Piece[] = [];
    if (last > 0) {
      pieces.push(piece(joined(this.#held, data.subarray(0, last)), offset - this.#held.length, true));
      this.#held = new Uint8Array();
    }
    const tail = data.subarray(last);
    if (tail.length === 0) return pieces;
    if (this.#held.length === 0) this.#heldFrom = offset + last;
    this.#held = joined(this.#held, tail);
    // The bytes in front of the border are passed on at the border.
    const isAtBorder = offset + data.length === this.#border;
    if (this.#held.length > MAX_HELD_BYTES || isAtBorder) {
      pieces.push(piece(this.#held, this.#heldFrom, false));
      this.#held = new Uint8Array();
    }
    return pieces;
  }
}

function piece(data: Uint8Array, from: number, isBetween: boolean): Piece {
  return { data, from, to: from + data.length, isBetween };
}

/** A copy only if there is something to join: the bytes of an event are never changed. */
function joined(head: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(head.length + tail.length);
  result.set(head);
  result.set(tail, head.length);
  return result;
}
