// A queue of neighbouring chunks, oldest first, found by offset, short ones gathered into larger:
//
//   | gone | gone | chunk | run of short pieces | chunk | ... | tail |   <- appended here
//                  ^ first

import { takeBuffer, takeCopy } from "./buffer-pool.ts";
import { type Chunk, chunkEnd, type Offset, type OutputStream } from "./chunk.ts";
import { ChunkRun } from "./chunk-run.ts";

/**
 * Chunks shorter than this are copied and gathered, longer ones kept as they are. Producers read into 64 KiB buffers: a
 * shorter piece kept by reference would pin more than twice the memory it is worth.
 */
export const KEEP_BY_REFERENCE_BYTES = 32 * 1024;

/** What a held chunk costs beside its bytes: the objects around it, a buffer's own included (390 to 560 on V8 11). */
export const CHUNK_OVERHEAD_BYTES = 512;

/** Pieces shorter than this are gathered with those of other streams, too: as chunks of their own they cost half more. */
export const SHORT_PIECE_BYTES = 2 * CHUNK_OVERHEAD_BYTES;

/** So many chunks may cost what they cost; pieces of different streams are gathered behind them. */
const MIX_FROM = 16;

/** Shifting one by one would be quadratic; half the array at a time is constant per chunk. */
const COMPACT_FROM = 64;

export type Entry = Chunk | ChunkRun;

/** Where the last entry may still grow. */
type Tail =
  /** The last chunk's whole buffer; its bytes in use are the chunk's. */
  | { readonly kind: "chunk"; readonly chunk: Chunk; readonly buffer: Buffer }
  | { readonly kind: "run"; readonly run: ChunkRun }
  | undefined;

export class ChunkQueue {
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  #cost = 0;
  #tail: Tail;

  /** How many chunks and runs. */
  get length(): number {
    return this.#entries.length - this.#first;
  }

  /** What all that is here counts against bounds: its bytes, CHUNK_OVERHEAD_BYTES each, and what a run's pieces cost. */
  get cost(): number {
    return this.#cost;
  }

  /** Where the `index`th oldest chunk or run ends; undefined where there is none. */
  endOf(index: number): Offset | undefined {
    const entry = this.#at(index);
    return entry === undefined ? undefined : entryEnd(entry);
  }

  /**
   * The `index`th oldest chunk as it is held, or of a run the piece that holds the byte at `from`, what is left of it:
   * undefined where there is none.
   */
  chunkAt(index: number, from: Offset): Chunk | undefined {
    const entry = this.#at(index);
    return entry instanceof ChunkRun ? entry.chunkAt(from) : entry;
  }

  /**
   * Takes data in behind the last chunk. Data of KEEP_BY_REFERENCE_BYTES and more becomes the queue's own: nobody may
   * touch its buffer again. Shorter data is copied, into the last chunk if that is not sealed and either of the same stream
   * or, behind the first MIX_FROM, as short as this.
   */
  append(stream: OutputStream, from: Offset, data: Buffer): void {
    // Not out of Node's pool: one short chunk would pin 8 KiB of it.
    this.#add(stream, from, data, takeCopy);
  }

  /**
   * Takes over what another queue has shifted out. As `append`, but data that begins a chunk of its own is not copied again.
   * Returns whether it was copied, so that its buffer is not needed here.
   */
  adopt({ stream, offset: from, data }: Chunk): boolean {
    return this.#add(stream, from, data, (own) => own);
  }

  /** From now on nothing joins the last chunk: somebody has it as it is. */
  seal(): void {
    this.#tail = undefined;
  }

  /** Takes the oldest chunk or run out if it ends at or below `to`, else returns undefined. */
  shiftBelow(to: Offset): Entry | undefined {
    const entry = this.#at(0);
    if (entry === undefined || entryEnd(entry) > to) return undefined;
    // Cleared at once: a chunk that waits here to be shifted out would be held, and not counted.
    this.#entries[this.#first++] = undefined;
    this.#cost -= cost(entry);
    this.#compact();
    return entry;
  }

  /** The index of the chunk or run that holds the byte at `from`, or `length` if none ends above it. */
  indexAt(from: Offset): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#at(middle);
      if (entry !== undefined && entryEnd(entry) <= from) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Throws if this is not what the comments say, from `from` on; returns where it ends. For tests. */
  checkInvariants(from: Offset): Offset {
    let at = from;
    let held = 0;
    for (let index = 0; index < this.length; index++) {
      const entry = this.#at(index);
      if (entry === undefined || entry.offset !== at) throw new Error(`chunk ${index} is not at ${at}`);
      for (const chunk of chunksOf(entry)) {
        if (chunk.offset !== at || chunk.data.length === 0) throw new Error(`no proper chunk at ${at}`);
        at = chunkEnd(chunk);
      }
      held += cost(entry);
    }
    if (held !== this.#cost) throw new Error(`${held} bytes held, ${this.#cost} counted`);
    return at;
  }

  #at(index: number): Entry | undefined {
    return this.#entries[this.#first + index];
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    this.#cost += cost(entry);
  }

  /**
   * Returns whether the data was copied into the last entry. What becomes a chunk that may still grow goes through `toOwn`, which
   * returns it at the beginning of a buffer that is free behind it.
   */
  #add(stream: OutputStream, from: Offset, data: Buffer, toOwn: (data: Buffer) => Buffer): boolean {
    if (data.length >= KEEP_BY_REFERENCE_BYTES) {
      this.#tail = undefined;
      this.#push({ stream, offset: from, data, frames: undefined });
      return false;
    }
    if (this.#gather(stream, data) || this.#mix(stream, data)) return true;
    const chunk = { stream, offset: from, data: toOwn(data), frames: undefined };
    this.#tail = { kind: "chunk", chunk, buffer: Buffer.from(chunk.data.buffer) };
    this.#push(chunk);
    return false;
  }

  #replaceLast(entry: Entry, before: number): void {
    this.#entries[this.#entries.length - 1] = entry;
    this.#cost += cost(entry) - before;
  }

  /** Joins the data to the last chunk, growing its buffer by doubling; false where it must be a chunk of its own. */
  #gather(stream: OutputStream, data: Buffer): boolean {
    if (this.#tail?.kind !== "chunk" || this.#tail.chunk.stream !== stream) return false;
    const { chunk: last, buffer } = this.#tail;
    const used = last.data.length;
    const length = used + data.length;
    if (length >= KEEP_BY_REFERENCE_BYTES) return false;
    const whole = length <= buffer.length ? buffer : grown(last.data, length);
    whole.set(data, used);
    const chunk = { ...last, data: whole.subarray(0, length), frames: undefined };
    this.#tail = { kind: "chunk", chunk, buffer: whole };
    this.#replaceLast(chunk, cost(last));
    return true;
  }

  /** Joins short data to the last run, or makes one of it and a last chunk that is as short; false where neither is there. */
  #mix(stream: OutputStream, data: Buffer): boolean {
    const tail = this.#tail;
    if (tail === undefined || data.length >= SHORT_PIECE_BYTES || this.length <= MIX_FROM) return false;
    if (tail.kind === "chunk") {
      const { chunk } = tail;
      if (chunk.data.length >= SHORT_PIECE_BYTES) return false;
      const run = new ChunkRun(chunk.offset);
      run.append(chunk.stream, chunk.data);
      run.append(stream, data);
      this.#tail = { kind: "run", run };
      this.#replaceLast(run, cost(chunk));
      return true;
    }
    const { run } = tail;
    if (run.cost + data.length >= KEEP_BY_REFERENCE_BYTES) return false;
    const before = cost(run);
    run.append(stream, data);
    this.#replaceLast(run, before);
    return true;
  }

  #compact(): void {
    if (this.#first === this.#entries.length) {
      this.#entries.length = 0;
      this.#first = 0;
      this.#tail = undefined;
    } else if (this.#first >= COMPACT_FROM && this.#first * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

export function entryEnd(entry: Entry): Offset {
  return entry instanceof ChunkRun ? entry.end : chunkEnd(entry);
}

export function* chunksOf(entry: Entry): Iterable<Chunk> {
  if (!(entry instanceof ChunkRun)) {
    yield entry;
    return;
  }
  for (let at = entry.offset; at < entry.end; ) {
    const chunk = entry.chunkAt(at);
    yield chunk;
    at = chunkEnd(chunk);
  }
}

/** `data`, in a buffer that has room for `length` bytes and, up to a limit, for twice what it had. */
function grown(data: Buffer, length: number): Buffer {
  const buffer = takeBuffer(Math.min(Math.max(length, data.length * 2), KEEP_BY_REFERENCE_BYTES));
  buffer.set(data);
  return buffer;
}

/** Growing by doubling may leave a gathered chunk's buffer half empty; that is not counted. */
function cost(entry: Entry): number {
  return CHUNK_OVERHEAD_BYTES + (entry instanceof ChunkRun ? entry.cost : entry.data.length);
}
