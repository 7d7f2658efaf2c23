// The chunks of one process that are still held, each once, however many subscribers read them:
//
//        oldest                                 head
//          |  chunk  |   chunk   | chunk | tail  |
//          '-- trimmed from here    appended here --'
//
// Holds and finds bytes; who needs them and how long is the multiplexer's business.

import { type Chunk, chunkEnd, type Offset, type OutputStream, offset } from "./chunk.ts";

/**
 * Appended data shorter than this is copied, longer data is kept by reference. Producers read into 64 KiB
 * buffers: a shorter piece kept by reference would pin more than twice the memory it is worth.
 */
export const KEEP_BY_REFERENCE_BYTES = 32 * 1024;

/** What a held chunk costs beside its bytes: the objects around it, a buffer's own included (390 to 560 on V8 11). */
export const CHUNK_OVERHEAD_BYTES = 512;

/** Below this many, shifting the array costs more than it frees. */
const COMPACT_FROM = 64;

export class OutputWindow {
  #chunks: (Chunk | undefined)[] = [];
  /** Index of the oldest chunk held; those before it are trimmed but not yet shifted out of the array. */
  #first = 0;
  #oldest: Offset = offset(0);
  #head: Offset = offset(0);
  #heldBytes = 0;
  /** The last chunk's whole buffer while nobody has read it, so that short pieces can be gathered into it. */
  #tail: Buffer | undefined;

  get oldest(): Offset {
    return this.#oldest;
  }

  get head(): Offset {
    return this.#head;
  }

  /** What the held chunks count against bounds: their bytes and CHUNK_OVERHEAD_BYTES each. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Takes `data` in at the head. Data of KEEP_BY_REFERENCE_BYTES and more becomes the window's own: the caller
   * must not touch its buffer again. Shorter data is copied and the caller keeps its buffer. Short data of the
   * stream that was appended last joins the last chunk if nobody has read that yet. Empty data is ignored.
   */
  append(stream: OutputStream, data: Buffer): void {
    if (data.length === 0) return;
    if (data.length >= KEEP_BY_REFERENCE_BYTES) {
      this.#tail = undefined;
      this.#add(stream, data);
    } else if (!this.#gather(stream, data)) {
      // Not out of Node's pool: one short chunk would pin 8 KiB of it.
      this.#tail = Buffer.allocUnsafeSlow(data.length);
      this.#tail.set(data);
      this.#add(stream, this.#tail);
    }
    this.#head = offset(this.#head + data.length);
  }

  /**
   * The chunks from `from` on: at least one, then as many as fit in `maxBytes`; none at the head. `from` must be
   * the start of a held chunk or the head. What was read is closed to gathering.
   */
  read(from: Offset, maxBytes: number): Chunk[] {
    const chunks: Chunk[] = [];
    let bytes = 0;
    for (let index = this.#indexOf(from); index < this.#chunks.length; index++) {
      const chunk = this.#at(index);
      if (chunks.length > 0 && bytes + chunk.data.length > maxBytes) return chunks;
      chunks.push(chunk);
      bytes += chunk.data.length;
    }
    this.#tail = undefined;
    return chunks;
  }

  /** Lets go of every chunk that lies wholly below `to`. */
  trim(to: Offset): void {
    while (this.#first < this.#chunks.length) {
      const chunk = this.#at(this.#first);
      if (chunkEnd(chunk) > to) break;
      this.#oldest = chunkEnd(chunk);
      this.#heldBytes -= cost(chunk);
      // Cleared at once: a chunk that waits here to be shifted out would be held, and not counted.
      this.#chunks[this.#first++] = undefined;
    }
    this.#compact();
  }

  /** Throws if the structure is not what its comments say. For tests, after every step. */
  checkInvariants(): void {
    let at: number = this.#oldest;
    let held = 0;
    for (let index = this.#first; index < this.#chunks.length; index++) {
      const chunk = this.#at(index);
      if (chunk.offset !== at) throw new Error(`chunk at ${chunk.offset} where ${at} was due`);
      if (chunk.data.length === 0) throw new Error(`empty chunk at ${at}`);
      at += chunk.data.length;
      held += cost(chunk);
    }
    if (at !== this.#head) throw new Error(`chunks end at ${at}, head is ${this.#head}`);
    if (held !== this.#heldBytes) throw new Error(`${held} bytes held, ${this.#heldBytes} counted`);
  }

  #add(stream: OutputStream, data: Buffer): void {
    const chunk = { stream, offset: this.#head, data, frames: undefined };
    this.#chunks.push(chunk);
    this.#heldBytes += cost(chunk);
  }

  /** Joins `data` to the last chunk, growing its buffer by doubling; false where it must be a chunk of its own. */
  #gather(stream: OutputStream, data: Buffer): boolean {
    const last = this.#chunks.at(-1);
    if (this.#tail === undefined || last === undefined || last.stream !== stream) return false;
    const used = last.data.length;
    const length = used + data.length;
    if (length >= KEEP_BY_REFERENCE_BYTES) return false;
    if (length > this.#tail.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(length, used * 2), KEEP_BY_REFERENCE_BYTES));
      grown.set(last.data);
      this.#tail = grown;
    }
    this.#tail.set(data, used);
    this.#heldBytes -= cost(last);
    const joined = { ...last, data: this.#tail.subarray(0, length) };
    this.#chunks[this.#chunks.length - 1] = joined;
    this.#heldBytes += cost(joined);
    return true;
  }

  #indexOf(from: Offset): number {
    if (from === this.#head) return this.#chunks.length;
    let low = this.#first;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).offset < from) low = middle + 1;
      else high = middle;
    }
    if (this.#at(low).offset !== from) throw new Error(`no chunk begins at ${from}`);
    return low;
  }

  #at(index: number): Chunk {
    const chunk = this.#chunks[index];
    if (chunk === undefined) throw new Error(`no chunk ${index} of ${this.#chunks.length}`);
    return chunk;
  }

  /** Shifting one by one would be quadratic; half the array at a time is constant per chunk. */
  #compact(): void {
    if (this.#first === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#first = 0;
      this.#tail = undefined;
    } else if (this.#first >= COMPACT_FROM && this.#first * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

/** Growing by doubling may leave a gathered chunk's buffer half empty; only chunks below 32 KiB are gathered. */
function cost(chunk: Chunk): number {
  return chunk.data.length + CHUNK_OVERHEAD_BYTES;
}
