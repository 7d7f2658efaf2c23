// A queue of chunks in ascending order, oldest first, found by offset. Adjacent short chunks are merged
// into larger ones:
//
//   | gone | gone | chunk | run of short pieces | chunk | ... | tail |   <- appended here
//                  ^ first

import { bufferBytes, takeBuffer, takeCopy } from "./buffer-pool.ts";
import { type Chunk, chunkEnd, type Marked, type Offset, type OutputStream, offset } from "./chunk.ts";
import { ChunkRun } from "./chunk-run.ts";
import type { MarkTable, SavedChunk } from "./output-state.ts";

/**
 * Chunks shorter than this are copied and merged, longer ones kept as they are. Producers read into
 * 64 KiB buffers: a shorter piece kept by reference would pin more than twice its memory.
 */
export const KEEP_BY_REFERENCE_BYTES = 32 * 1024;

/**
 * The cost of a held chunk in addition to its bytes: its objects, the buffer's included (390 to 560
 * on V8 11).
 */
export const CHUNK_OVERHEAD_BYTES = 512;

/** Pieces shorter than this also merge with those of other streams: as separate chunks they cost half more. */
export const SHORT_PIECE_BYTES = 2 * CHUNK_OVERHEAD_BYTES;

/** This many chunks stay separate; behind them, short pieces of different streams merge into runs. */
const RUNS_FROM = 16;

/** Removing the first entry each time would be quadratic; removing half the array at a time is constant per chunk. */
const COMPACT_FROM = 64;

export type Entry = Chunk | ChunkRun;

/** Where the last entry may still grow. */
type Tail =
  /** The last chunk, and its whole buffer, of which the chunk uses the beginning. */
  | { readonly kind: "chunk"; readonly chunk: Chunk; readonly buffer: Buffer }
  | { readonly kind: "run"; readonly run: ChunkRun }
  | undefined;

export class ChunkQueue {
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #cost = 0;
  #memoryBytes = 0;
  #tail: Tail;

  /** The number of chunks and runs. */
  get length(): number {
    return this.#entries.length - this.#first;
  }

  /**
   * The cost of the queue, which the bounds limit: its bytes, CHUNK_OVERHEAD_BYTES per entry, and
   * the cost of a run's pieces.
   */
  get cost(): number {
    return this.#cost;
  }

  /** The cost, and the unused rest of each pool buffer: up to three times the chunk's bytes. The memory budget counts this. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  get first(): Entry | undefined {
    return this.#at(0);
  }

  /** The first byte at or above `from` in the queue; infinite when there is none. */
  nextFrom(from: Offset): number {
    const entry = this.#at(this.indexAt(from));
    return entry === undefined ? Number.POSITIVE_INFINITY : Math.max(entry.offset, from);
  }

  holds(from: Offset): boolean {
    return this.nextFrom(from) === from;
  }

  /** At most so many bytes lie at or above `from`; exact when there are no holes. */
  bytesFrom(from: Offset): number {
    const last = this.#at(this.length - 1);
    return last === undefined ? 0 : Math.min(this.#bytes, Math.max(0, entryEnd(last) - from));
  }

  /** The part of the cost of the chunks and runs that end at or below `to`. */
  costBelow(to: Offset): number {
    let sum = 0;
    for (let index = this.indexAt(to) - 1; index >= 0; index--) sum += cost(this.#at(index) as Entry);
    return sum;
  }

  /** The end of the `index`th oldest chunk or run; undefined when there is none. */
  endOf(index: number): Offset | undefined {
    const entry = this.#at(index);
    return entry === undefined ? undefined : entryEnd(entry);
  }

  /**
   * The `index`th oldest chunk as it is held; of a run, the rest of the piece at `from`. Undefined
   * when there is none.
   */
  chunkAt(index: number, from: Offset): Chunk | undefined {
    const entry = this.#at(index);
    return entry instanceof ChunkRun ? entry.chunkAt(from) : entry;
  }

  /**
   * Appends data behind the last chunk. Data of KEEP_BY_REFERENCE_BYTES and more is kept: its buffer
   * belongs to the queue afterwards. Shorter data is copied, into the last chunk if that is not frozen
   * and of the same stream, or, behind the first RUNS_FROM, if both are short pieces. `mark` is kept if
   * the data starts a chunk.
   */
  append(stream: OutputStream, from: Offset, data: Buffer, mark?: object): void {
    // Not from Node's pool: one short chunk would pin 8 KiB of it.
    this.#add(stream, from, data, mark, takeCopy);
  }

  /**
   * Appends a chunk that another queue has shifted out, without a copy where it stays a separate chunk.
   * Returns whether it was copied, so that this queue does not need its buffer.
   */
  moveIn({ stream, offset: from, data, mark }: Chunk): boolean {
    return this.#add(stream, from, data, mark, (own) => own);
  }

  /** The mark of the chunk or run that contains the byte at `from`. */
  markBefore(from: Offset): Marked | undefined {
    const entry = this.#at(this.indexAt(from));
    if (entry === undefined) return undefined;
    const before =
      entry instanceof ChunkRun ? entry.before(from) : entry.data.subarray(0, from - entry.offset);
    return { offset: entry.offset, mark: entry.mark, before };
  }

  /** From now on nothing merges into the last chunk: a subscriber has read it. */
  freezeLast(): void {
    this.#tail = undefined;
  }

  /** Removes and returns the oldest chunk or run if it ends at or below `to`, else returns undefined. */
  shiftBelow(to: Offset): Entry | undefined {
    const entry = this.#at(0);
    if (entry === undefined || entryEnd(entry) > to) return undefined;
    // Cleared at once: a chunk left here until the array is compacted would be held and not counted.
    this.#entries[this.#first++] = undefined;
    this.#bytes -= entryEnd(entry) - entry.offset;
    this.#cost -= cost(entry);
    this.#memoryBytes -= memoryOf(entry);
    this.#compact();
    return entry;
  }

  /** Everything that is held, oldest first. */
  save(marks: MarkTable): SavedChunk[] {
    const saved: SavedChunk[] = [];
    for (let index = 0; index < this.length; index++) {
      const entry = this.#at(index);
      if (entry === undefined) continue;
      const mark = marks.indexOf(entry.mark);
      if (entry instanceof ChunkRun) saved.push({ ...entry.save(), mark });
      else saved.push({ offset: entry.offset, data: entry.data, stream: entry.stream, mark });
    }
    return saved;
  }

  /** Fills an empty queue with the saved chunks, and owns their data. Nothing merges into these chunks. */
  restore(saved: readonly SavedChunk[], marks: readonly object[]): void {
    for (const chunk of saved) {
      const { stream, data } = chunk;
      const from = offset(chunk.offset);
      const mark = chunk.mark === undefined ? undefined : marks[chunk.mark];
      if (stream !== undefined) {
        this.#push({ stream, offset: from, data, frames: undefined, mark });
        continue;
      }
      const run = new ChunkRun(from, mark);
      run.restore(chunk);
      this.#push(run);
    }
  }

  /** The index of the chunk or run that contains the byte at `from`, or `length` if none ends above it. */
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

  /**
   * Throws when the entries overlap or the counts are wrong, or when they are not adjacent from `from`
   * on, if that is given; returns the end of the last. For tests.
   */
  checkInvariants(from?: Offset): Offset {
    let at = from ?? offset(0);
    let bytes = 0;
    let held = 0;
    let allocated = 0;
    for (let index = 0; index < this.length; index++) {
      const entry = this.#at(index);
      const isInPlace =
        entry !== undefined && (from === undefined ? entry.offset >= at : entry.offset === at);
      if (!isInPlace) throw new Error(`chunk ${index} is at ${entry?.offset}, the one before ends at ${at}`);
      at = entry.offset;
      for (const chunk of chunksOf(entry)) {
        if (chunk.offset !== at || chunk.data.length === 0) throw new Error(`bad chunk at ${at}`);
        at = chunkEnd(chunk);
      }
      bytes += at - entry.offset;
      held += cost(entry);
      allocated += memoryOf(entry);
    }
    if (bytes !== this.#bytes) throw new Error(`${bytes} bytes found, ${this.#bytes} counted`);
    if (held !== this.#cost) throw new Error(`a cost of ${held} found, ${this.#cost} counted`);
    if (allocated !== this.#memoryBytes)
      throw new Error(`${allocated} bytes of memory found, ${this.#memoryBytes} counted`);
    return at;
  }

  #at(index: number): Entry | undefined {
    return this.#entries[this.#first + index];
  }

  /** The end of the last chunk or run. */
  get #end(): Offset | undefined {
    return this.endOf(this.length - 1);
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entryEnd(entry) - entry.offset;
    this.#cost += cost(entry);
    this.#memoryBytes += memoryOf(entry);
  }

  /**
   * Returns whether the data was copied into the last entry. Data that starts a chunk that may still
   * grow goes through `toOwn`, which returns it at the start of a buffer whose rest is free.
   */
  #add(
    stream: OutputStream,
    from: Offset,
    data: Buffer,
    mark: object | undefined,
    toOwn: (data: Buffer) => Buffer,
  ): boolean {
    if (data.length >= KEEP_BY_REFERENCE_BYTES) {
      this.#tail = undefined;
      this.#push({ stream, offset: from, data, frames: undefined, mark });
      return false;
    }
    if (this.#tail !== undefined && this.#end !== from) this.#tail = undefined;
    if (this.#growLast(stream, data) || this.#growRun(stream, data)) {
      this.#bytes += data.length;
      return true;
    }
    const chunk = { stream, offset: from, data: toOwn(data), frames: undefined, mark };
    this.#tail = { kind: "chunk", chunk, buffer: Buffer.from(chunk.data.buffer) };
    this.#push(chunk);
    return false;
  }

  #replaceLast(entry: Entry, before: Size): void {
    this.#entries[this.#entries.length - 1] = entry;
    this.#cost += cost(entry) - before.cost;
    this.#memoryBytes += memoryOf(entry) - before.memory;
  }

  /** Merges the data into the last chunk, doubling its buffer; returns false when it must be a separate chunk. */
  #growLast(stream: OutputStream, data: Buffer): boolean {
    if (this.#tail?.kind !== "chunk" || this.#tail.chunk.stream !== stream) return false;
    const { chunk: last, buffer } = this.#tail;
    const used = last.data.length;
    const length = used + data.length;
    if (length >= KEEP_BY_REFERENCE_BYTES) return false;
    const whole = length <= buffer.length ? buffer : grown(last.data, length);
    whole.set(data, used);
    const chunk = { ...last, data: whole.subarray(0, length), frames: undefined };
    this.#tail = { kind: "chunk", chunk, buffer: whole };
    this.#replaceLast(chunk, sizeOf(last));
    return true;
  }

  /** Merges short data into the last run, or with a short last chunk into a new run; returns false when there is neither. */
  #growRun(stream: OutputStream, data: Buffer): boolean {
    const tail = this.#tail;
    if (tail === undefined || data.length >= SHORT_PIECE_BYTES || this.length <= RUNS_FROM) return false;
    if (tail.kind === "chunk") {
      const { chunk } = tail;
      if (chunk.data.length >= SHORT_PIECE_BYTES) return false;
      const run = new ChunkRun(chunk.offset, chunk.mark);
      run.append(chunk.stream, chunk.data);
      run.append(stream, data);
      this.#tail = { kind: "run", run };
      this.#replaceLast(run, sizeOf(chunk));
      return true;
    }
    const { run } = tail;
    if (run.cost + data.length >= KEEP_BY_REFERENCE_BYTES) return false;
    const before = sizeOf(run);
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

/** A copy of `data` in a buffer with room for `length` bytes or, up to a limit, for twice the data. */
function grown(data: Buffer, length: number): Buffer {
  const buffer = takeBuffer(Math.min(Math.max(length, data.length * 2), KEEP_BY_REFERENCE_BYTES));
  buffer.set(data);
  return buffer;
}

interface Size {
  readonly cost: number;
  readonly memory: number;
}

function sizeOf(entry: Entry): Size {
  return { cost: cost(entry), memory: memoryOf(entry) };
}

function cost(entry: Entry): number {
  return CHUNK_OVERHEAD_BYTES + (entry instanceof ChunkRun ? entry.cost : entry.data.length);
}

function memoryOf(entry: Entry): number {
  return CHUNK_OVERHEAD_BYTES + (entry instanceof ChunkRun ? entry.memoryBytes : bufferBytes(entry.data));
}
