// Neighbouring short pieces of several streams in one buffer. A program that writes its lines to stdout and stderr in turn
// would else cost twenty times its bytes: as chunks of their own, 20 bytes cost CHUNK_OVERHEAD_BYTES each.
//
//   data  | out | err err | out |      piece by piece: where it ends, and whose it is

import { type Chunk, type Offset, type OutputStream, offset } from "./chunk.ts";

/** What a piece costs beside its bytes: an entry in each of two arrays. */
const PIECE_OVERHEAD_BYTES = 16;

/** Only grows; what was handed out of it stays as it is. */
export class ChunkRun {
  readonly offset: Offset;
  #data: Buffer;
  #length = 0;
  /** Of each piece, counted from `offset`, ascending. */
  readonly #ends: number[] = [];
  readonly #streams: OutputStream[] = [];

  constructor(from: Offset) {
    this.offset = from;
    this.#data = Buffer.alloc(0);
  }

  get end(): Offset {
    return offset(this.offset + this.#length);
  }

  /** Its bytes, and PIECE_OVERHEAD_BYTES for each piece. */
  get cost(): number {
    return this.#length + this.#ends.length * PIECE_OVERHEAD_BYTES;
  }

  /** Copies `data` in behind the last piece; into it, if it is of the same stream. */
  append(stream: OutputStream, data: Buffer): void {
    const length = this.#length + data.length;
    if (length > this.#data.length) this.#grow(Math.max(length, this.#data.length * 2));
    this.#data.set(data, this.#length);
    this.#length = length;
    const last = this.#ends.length - 1;
    if (this.#streams[last] === stream) {
      this.#ends[last] = length;
    } else {
      this.#ends.push(length);
      this.#streams.push(stream);
    }
  }

  /** What is left from `from` on of the piece that holds that byte. A new chunk at each call. */
  chunkAt(from: Offset): Chunk {
    const start = from - this.offset;
    const index = this.#indexAt(start);
    const end = this.#ends[index];
    const stream = this.#streams[index];
    if (end === undefined || stream === undefined) throw new Error(`no byte ${from} in a run to ${this.end}`);
    return { stream, offset: from, data: this.#data.subarray(start, end), frames: undefined };
  }

  #indexAt(start: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] ?? 0) <= start) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(bytes: number): void {
    // Not out of Node's pool: what is short would pin 8 KiB of it.
    const grown = Buffer.allocUnsafeSlow(bytes);
    grown.set(this.#data.subarray(0, this.#length));
    this.#data = grown;
  }
}
