// The chunks of one process that are still held, each once, however many subscribers read it.
//
//     oldest              replayEnd                head
//       |  replay            |  recent               |
//       '-- trimmed from here                        '-- appended here
//
// Holds chunks and finds them by offset. The multiplexer decides which are needed and for how long.
// Replay chunks, which every client has received, are merged into larger ones: else the replay of a
// program that prints line by line would cost three times its bytes.

import { type Chunk, chunkEnd, type Offset, type OutputStream, offset } from "./chunk.ts";
import { ChunkQueue, chunksOf, entryEnd } from "./chunk-queue.ts";
import { ChunkRun } from "./chunk-run.ts";

export class OutputWindow {
  readonly #replay = new ChunkQueue();
  readonly #recent = new ChunkQueue();
  #oldest: Offset = offset(0);
  #replayEnd: Offset = offset(0);
  #head: Offset = offset(0);
  readonly #onDrop: ((chunk: Chunk) => void) | undefined;

  /** `onDrop` is called with each chunk whose buffer the window no longer holds. Subscribers may still read it. */
  constructor(onDrop?: (chunk: Chunk) => void) {
    this.#onDrop = onDrop;
  }

  get oldest(): Offset {
    return this.#oldest;
  }

  get head(): Offset {
    return this.#head;
  }

  /** What the chunks held count against bounds: see ChunkQueue.cost. */
  get heldBytes(): number {
    return this.#replay.cost + this.#recent.cost;
  }

  /** The replay part of `heldBytes`: dropping it costs no attached client a byte. */
  get replayBytes(): number {
    return this.#replay.cost;
  }

  /** What a reader at `from` has before it, about in the measure of `heldBytes`: replay chunks are merged. */
  backlogBytes(from: Offset): number {
    return this.#recent.cost + Math.max(0, this.#replayEnd - Math.max(from, this.#oldest));
  }

  /** Appends `data` at the head; ChunkQueue.append says who owns its buffer afterwards. Ignores empty data. */
  append(stream: OutputStream, data: Buffer): void {
    if (data.length === 0) return;
    this.#recent.append(stream, this.#head, data);
    this.#head = offset(this.#head + data.length);
  }

  /**
   * The chunk at `from`, which lies in `[oldest, head]`; undefined at the head. Inside a chunk, what is
   * left of it. A recent chunk is the same object for every reader and does not change any more, so
   * that frames can be shared. Replay chunks and pieces of a run are new objects: frames kept on them
   * would stay as long as the replay.
   */
  read(from: Offset): Chunk | undefined {
    if (from < this.#oldest || from > this.#head)
      throw new Error(`no byte ${from} in [${this.#oldest}, ${this.#head}]`);
    const isReplay = from < this.#replayEnd;
    const queue = isReplay ? this.#replay : this.#recent;
    const chunk = queue.chunkAt(queue.indexAt(from), from);
    if (chunk === undefined) return undefined;
    if (chunkEnd(chunk) === this.#head) this.#recent.freezeLast();
    return isReplay || chunk.offset < from ? rest(chunk, from) : chunk;
  }

  /** Every client has received what lies below `to`: it becomes replay. */
  moveToReplay(to: Offset): void {
    for (let entry = this.#recent.shiftBelow(to); entry !== undefined; entry = this.#recent.shiftBelow(to)) {
      this.#replayEnd = entryEnd(entry);
      if (entry instanceof ChunkRun)
        for (const { stream, offset: at, data } of chunksOf(entry)) this.#replay.append(stream, at, data);
      else if (this.#replay.moveIn(entry)) this.#onDrop?.(entry);
    }
  }

  /** Drops every chunk that lies wholly below `to`. */
  trim(to: Offset): void {
    for (const queue of [this.#replay, this.#recent]) {
      for (let entry = queue.shiftBelow(to); entry !== undefined; entry = queue.shiftBelow(to)) {
        this.#oldest = entryEnd(entry);
        if (!(entry instanceof ChunkRun)) this.#onDrop?.(entry);
      }
    }
    if (this.#replayEnd < this.#oldest) this.#replayEnd = this.#oldest;
  }

  /** Drops the oldest chunk; returns false if there is none, or if it does not lie wholly below `limit`. */
  trimOldest(limit: Offset): boolean {
    const end = this.#replay.endOf(0) ?? this.#recent.endOf(0);
    if (end === undefined || end > limit) return false;
    this.trim(end);
    return true;
  }

  /** Throws when the queues do not meet or their costs are wrong. Tests call it after every step. */
  checkInvariants(): void {
    const replayEnd = this.#replay.checkInvariants(this.#oldest);
    if (replayEnd !== this.#replayEnd)
      throw new Error(`the replay ends at ${replayEnd}, recorded is ${this.#replayEnd}`);
    const recentEnd = this.#recent.checkInvariants(this.#replayEnd);
    if (recentEnd !== this.#head) throw new Error(`chunks end at ${recentEnd}, head is ${this.#head}`);
  }
}

/** A new chunk object, from `from` on if that is inside. Its bytes do not change: merging writes behind them. */
function rest(chunk: Chunk, from: Offset): Chunk {
  const { stream, offset: at, data } = chunk;
  if (at >= from) return { stream, offset: at, data, frames: undefined };
  return { stream, offset: from, data: data.subarray(from - at), frames: undefined };
}
