// The chunks of one process that are still held, each once, whoever needs it: slow subscribers, backlog and replay.
//
//     oldest              settled                  head
//       |  replay: cold     |  backlog: hot          |
//       '-- trimmed from here                        '-- appended here
//
// Holds and finds bytes; who needs them and how long is the multiplexer's business. Cold chunks are those everybody has
// had: they are gathered into larger ones, so that replay of a program that prints line by line does not cost three
// times its bytes.

import { type Chunk, chunkEnd, type Offset, type OutputStream, offset } from "./chunk.ts";
import { ChunkQueue, chunksOf, entryEnd } from "./chunk-queue.ts";
import { ChunkRun } from "./chunk-run.ts";

export class OutputWindow {
  readonly #cold = new ChunkQueue();
  readonly #hot = new ChunkQueue();
  #oldest: Offset = offset(0);
  #settled: Offset = offset(0);
  #head: Offset = offset(0);
  readonly #onLetGo: ((chunk: Chunk) => void) | undefined;

  /** `onLetGo` is told of each chunk whose buffer is held no longer. Readers may have it still. */
  constructor(onLetGo?: (chunk: Chunk) => void) {
    this.#onLetGo = onLetGo;
  }

  get oldest(): Offset {
    return this.#oldest;
  }

  get head(): Offset {
    return this.#head;
  }

  /** What is held counts so much against bounds: see ChunkQueue.cost. */
  get heldBytes(): number {
    return this.#cold.cost + this.#hot.cost;
  }

  /** The cold part of `heldBytes`: what could be let go of without anybody missing a byte now. */
  get coldBytes(): number {
    return this.#cold.cost;
  }

  /** What a reader at `from` has before it, about in the measure of `heldBytes`: cold chunks are gathered. */
  backlogBytes(from: Offset): number {
    return this.#hot.cost + Math.max(0, this.#settled - Math.max(from, this.#oldest));
  }

  /** Takes `data` in at the head; whose it is then follows ChunkQueue.append. Empty data is ignored. */
  append(stream: OutputStream, data: Buffer): void {
    if (data.length === 0) return;
    this.#hot.append(stream, this.#head, data);
    this.#head = offset(this.#head + data.length);
  }

  /**
   * The chunks from `from` on: at least one, then as many as fit in `maxBytes`; none at the head. `from` lies in
   * `[oldest, head]`; inside a chunk, the first one returned is what is left of that. Hot chunks are the same object for
   * every reader and stay as they were read, so that frames can be shared. Cold ones are not: frames kept on them would
   * stay as long as replay does; nor are short pieces that wait for a reader in a run.
   */
  read(from: Offset, maxBytes: number): Chunk[] {
    if (from < this.#oldest || from > this.#head)
      throw new Error(`no byte ${from} in [${this.#oldest}, ${this.#head}]`);
    const isCold = from < this.#settled;
    const queue = isCold ? this.#cold : this.#hot;
    const chunks: Chunk[] = [];
    let at = from;
    let index = queue.indexAt(from);
    for (let chunk = queue.chunkAt(index, at); chunk !== undefined; chunk = queue.chunkAt(index, at)) {
      if (chunks.length > 0 && chunkEnd(chunk) - from > maxBytes) return chunks;
      chunks.push(isCold || chunk.offset < at ? rest(chunk, at) : chunk);
      at = chunkEnd(chunk);
      if (at === queue.endOf(index)) index++;
    }
    if (!isCold) queue.seal();
    return chunks;
  }

  /** Everybody has had what lies below `to`. */
  settle(to: Offset): void {
    for (let entry = this.#hot.shiftBelow(to); entry !== undefined; entry = this.#hot.shiftBelow(to)) {
      this.#settled = entryEnd(entry);
      if (entry instanceof ChunkRun)
        for (const { stream, offset: at, data } of chunksOf(entry)) this.#cold.append(stream, at, data);
      else if (this.#cold.adopt(entry)) this.#onLetGo?.(entry);
    }
  }

  /** Lets go of every chunk that lies wholly below `to`. */
  trim(to: Offset): void {
    for (const queue of [this.#cold, this.#hot]) {
      for (let entry = queue.shiftBelow(to); entry !== undefined; entry = queue.shiftBelow(to)) {
        this.#oldest = entryEnd(entry);
        if (!(entry instanceof ChunkRun)) this.#onLetGo?.(entry);
      }
    }
    if (this.#settled < this.#oldest) this.#settled = this.#oldest;
  }

  /** Lets go of the oldest chunk; false if there is none, or if it does not lie wholly below `limit`. */
  trimOldest(limit: Offset): boolean {
    const end = this.#cold.endOf(0) ?? this.#hot.endOf(0);
    if (end === undefined || end > limit) return false;
    this.trim(end);
    return true;
  }

  /** Throws if the structure is not what its comments say. For tests, after every step. */
  checkInvariants(): void {
    const coldEnd = this.#cold.checkInvariants(this.#oldest);
    if (coldEnd !== this.#settled) throw new Error(`cold ends at ${coldEnd}, settled is ${this.#settled}`);
    const hotEnd = this.#hot.checkInvariants(this.#settled);
    if (hotEnd !== this.#head) throw new Error(`chunks end at ${hotEnd}, head is ${this.#head}`);
  }
}

/** A chunk of the reader's own, from `from` on if that is inside. Its bytes stay as they are: gathering writes behind them. */
function rest(chunk: Chunk, from: Offset): Chunk {
  const { stream, offset: at, data } = chunk;
  if (at >= from) return { stream, offset: at, data, frames: undefined };
  return { stream, offset: from, data: data.subarray(from - at), frames: undefined };
}
