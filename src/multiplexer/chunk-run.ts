// Adjacent short pieces of several streams in one buffer. As separate chunks, 20 bytes cost
// CHUNK_OVERHEAD_BYTES each: a program that writes lines to stdout and stderr in turn would cost twenty
// times its output.
//
//   data  | out | err err | out |      each piece has an end and a stream

import { type Chunk, type Offset, type OutputStream, offset } from "./chunk.ts";
import { type SavedChunk, savedStreams } from "./output-state.ts";

/** The cost of a piece in addition to its bytes: an entry in each of two arrays. */
const PIECE_OVERHEAD_BYTES = 16;

/** In a saved piece, the stream takes two bits. */
const SAVED_STREAMS = 4;

/** It only grows: chunks that were read from it do not change. */
export class ChunkRun {
  readonly offset: Offset;
  /** See Chunk. */
  readonly mark: object | undefined;
  #data: Buffer;
  #length = 0;
  /** The end of each piece, relative to `offset`, ascending. */
  readonly #ends: number[] = [];
  readonly #streams: OutputStream[] = [];

  constructor(from: Offset, mark: object | undefined) {
    this.offset = from;
    this.mark = mark;
    this.#data = Buffer.alloc(0);
  }

  get end(): Offset {
    return offset(this.offset + this.#length);
  }

  /** Its bytes, and PIECE_OVERHEAD_BYTES for each piece. */
  get cost(): number {
    return this.#length + this.#ends.length * PIECE_OVERHEAD_BYTES;
  }

  /** The same with the free rest of its buffer. */
  get memoryBytes(): number {
    return this.#data.length + this.#ends.length * PIECE_OVERHEAD_BYTES;
  }

  /** Copies `data` behind the last piece, or into it if both are of the same stream. */
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

  /** As plain data, without its mark. */
  save(): SavedChunk {
    const pieces = new Uint32Array(this.#ends.length);
    let start = 0;
    for (const [index, end] of this.#ends.entries()) {
      const stream = savedStreams.indexOf(this.#streams[index] ?? "stdout");
      pieces[index] = (end - start) * SAVED_STREAMS + stream;
      start = end;
    }
    return { offset: this.offset, data: this.#data.subarray(0, this.#length), pieces };
  }

  /** Fills an empty run with the saved pieces, and owns their data. */
  restore({ data, pieces = new Uint32Array() }: SavedChunk): void {
    this.#data = data;
    for (const piece of pieces) {
      const stream = savedStreams[piece % SAVED_STREAMS];
      if (stream === undefined)
        throw new Error(`a saved piece has the unknown stream ${piece % SAVED_STREAMS}`);
      this.#length += Math.floor(piece / SAVED_STREAMS);
      this.#ends.push(this.#length);
      this.#streams.push(stream);
    }
  }

  /** The rest of the piece at `from`, from there on. A new chunk object at each call. */
  chunkAt(from: Offset): Chunk {
    const start = from - this.offset;
    const index = this.#indexAt(start);
    const end = this.#ends[index];
    const stream = this.#streams[index];
    if (end === undefined || stream === undefined) throw new Error(`no byte ${from} in a run to ${this.end}`);
    return { stream, offset: from, data: this.#data.subarray(start, end), frames: undefined };
  }

  /** The bytes from its offset to `to`. */
  before(to: Offset): Buffer {
    return this.#data.subarray(0, to - this.offset);
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
    // Not from Node's pool: a short run would pin 8 KiB of it.
    const grown = Buffer.allocUnsafeSlow(bytes);
    grown.set(this.#data.subarray(0, this.#length));
    this.#data = grown;
  }
}
