// The chunks of one process that are still held, each once, however many subscribers read it.
//
//     oldest                          recentFrom             head
//       |  replay and missed, mixed      |  recent             |
//       '-- dropped from here                                  '-- appended here
//
// Recent chunks are still needed. Below them lies replay, which was delivered, and missed output, which
// was not and lies below every attached client. Either may be dropped before the other, so below
// `recentFrom` there may be holes. Holds chunks and finds them by offset; the multiplexer decides how
// long. Replay is merged into larger chunks: else that of a program that prints line by line would cost
// three times its bytes.

import { type Chunk, chunkEnd, type Marked, type Offset, type OutputStream, offset } from "./chunk.ts";
import { ChunkQueue, chunksOf, type Entry, entryEnd } from "./chunk-queue.ts";
import { ChunkRun } from "./chunk-run.ts";
import type { Intervals } from "./intervals.ts";
import type { MarkTable, WindowState } from "./output-state.ts";

export type Found =
  | { readonly kind: "chunk"; readonly chunk: Chunk }
  /** Nothing is held from there to `to`. */
  | { readonly kind: "gap"; readonly to: Offset };

export class OutputWindow {
  readonly #missed = new ChunkQueue();
  readonly #replay = new ChunkQueue();
  readonly #recent = new ChunkQueue();
  #recentFrom: Offset = offset(0);
  #head: Offset = offset(0);
  readonly #onDrop: ((chunk: Chunk) => void) | undefined;

  /** `onDrop` is called with each chunk whose buffer the window no longer holds. Subscribers may still read it. */
  constructor(onDrop?: (chunk: Chunk) => void) {
    this.#onDrop = onDrop;
  }

  /** The first byte held; the head when nothing is. */
  get oldest(): Offset {
    return this.#nextHeld(offset(0));
  }

  get head(): Offset {
    return this.#head;
  }

  /** The cost of the chunks held: see ChunkQueue.cost. */
  get heldBytes(): number {
    return this.#missed.cost + this.#replay.cost + this.#recent.cost;
  }

  /** The memory that the chunks take: see ChunkQueue.memoryBytes. */
  get memoryBytes(): number {
    return this.#missed.memoryBytes + this.#replay.memoryBytes + this.#recent.memoryBytes;
  }

  /** The cost of the replay below `to`. What lies above is needed by a client that has returned. */
  replayCostBelow(to: Offset): number {
    return this.#replay.costBelow(to);
  }

  /** Every byte at or above that was not delivered is held. Below, missed output may have been dropped. */
  get missedFrom(): Offset {
    return this.#missed.first?.offset ?? this.#recentFrom;
  }

  /** The backlog of a reader at `from`, about in the measure of `heldBytes`: below `recentFrom`, in bytes. */
  backlogBytes(from: Offset): number {
    if (from >= this.#recentFrom) return this.#recent.cost;
    return this.#recent.cost + this.#missed.bytesFrom(from) + this.#replay.bytesFrom(from);
  }

  /** Appends `data` at the head; ChunkQueue.append says who owns its buffer afterwards. Ignores empty data. */
  append(stream: OutputStream, data: Buffer, mark?: object): void {
    if (data.length === 0) return;
    this.#recent.append(stream, this.#head, data, mark);
    this.#head = offset(this.#head + data.length);
  }

  /**
   * The chunk at `from`, which lies in `[0, head]`; undefined at the head. Inside a chunk, the rest
   * of it. With `mostBytes`, no more than its first ones. A recent chunk is the same object for every reader and does not change any more, so that
   * frames can be shared. Other chunks and pieces of a run are new objects: frames kept on them
   * would stay as long as the replay.
   */
  read(from: Offset, mostBytes = Number.POSITIVE_INFINITY): Found | undefined {
    if (from < 0 || from > this.#head) throw new Error(`no byte ${from} in [0, ${this.#head}]`);
    if (from === this.#head) return undefined;
    const next = this.#nextHeld(from);
    if (next > from) return { kind: "gap", to: next };
    const queue = this.#queueOf(from);
    const chunk = queue.chunkAt(queue.indexAt(from), from);
    if (chunk === undefined) throw new Error(`nothing at ${from}`);
    if (queue === this.#recent && chunkEnd(chunk) === this.#head) queue.freezeLast();
    const isWhole = chunk.offset === from && chunk.data.length <= mostBytes;
    const isShared = queue === this.#recent && isWhole;
    return { kind: "chunk", chunk: isShared ? chunk : piece(chunk, from, mostBytes) };
  }

  /** The mark of the chunk that holds the first byte held at or above `from`; undefined if none is. */
  markBefore(from: Offset): Marked | undefined {
    const next = this.#nextHeld(from);
    return next >= this.#head ? undefined : this.#queueOf(next).markBefore(next);
  }

  /**
   * No attached client needs what lies below `to`: chunks that are wholly delivered become replay, or are
   * dropped if they lie wholly below `dropTo`; others become missed output.
   */
  settle(to: Offset, delivered: Intervals, dropTo: Offset): void {
    for (let entry = this.#recent.shiftBelow(to); entry !== undefined; entry = this.#recent.shiftBelow(to)) {
      const end = entryEnd(entry);
      this.#recentFrom = end;
      if (!delivered.covers(entry.offset, end)) this.#moveTo(this.#missed, entry);
      else if (end <= dropTo) this.#drop(entry);
      else this.#moveTo(this.#replay, entry);
    }
  }

  /** Drops delivered chunks that lie wholly below `to`, as far as no missed output stands before them. */
  dropDelivered(to: Offset, delivered: Intervals): void {
    for (let entry = this.#replay.shiftBelow(to); entry !== undefined; entry = this.#replay.shiftBelow(to))
      this.#drop(entry);
    while (this.#oldestMissedIsDelivered(to, delivered)) this.#dropFirst(this.#missed, to);
  }

  /** Drops the oldest replay or delivered missed chunk that lies wholly below `to`; returns false if there is none. */
  dropOldestDelivered(to: Offset, delivered: Intervals): boolean {
    const isMissedFirst =
      this.#oldestMissedIsDelivered(to, delivered) &&
      (this.#missed.endOf(0) ?? 0) < (this.#replay.endOf(0) ?? Number.POSITIVE_INFINITY);
    return this.#dropFirst(isMissedFirst ? this.#missed : this.#replay, to);
  }

  /** Drops replay, oldest first, until what lies wholly below `to` costs at most `most`. */
  limitReplay(to: Offset, most: number): void {
    this.#limit(this.#replay, to, most);
  }

  /** Drops missed output, oldest first, until what lies wholly below `to` costs at most `most`. */
  limitMissed(to: Offset, most: number): void {
    this.#limit(this.#missed, to, most);
  }

  /**
   * Drops the oldest chunk, of any kind; returns false if there is none, or if it does not lie
   * wholly below `to`.
   */
  dropOldest(to: Offset): boolean {
    const queues = [this.#missed, this.#replay, this.#recent].filter(({ length }) => length > 0);
    const ends = queues.map((queue) => Number(queue.endOf(0)));
    const queue = queues[ends.indexOf(Math.min(...ends))];
    return queue !== undefined && this.#dropFirst(queue, to);
  }

  /** Drops every chunk that lies wholly below `to`. */
  dropBelow(to: Offset): void {
    for (const queue of [this.#missed, this.#replay, this.#recent]) while (this.#dropFirst(queue, to));
  }

  save(marks: MarkTable): WindowState {
    return {
      recentFrom: this.#recentFrom,
      head: this.#head,
      missed: this.#missed.save(marks),
      replay: this.#replay.save(marks),
      recent: this.#recent.save(marks),
    };
  }

  /** Fills an empty window with the saved chunks, and owns their data. */
  restore({ recentFrom, head, missed, replay, recent }: WindowState, marks: readonly object[]): void {
    this.#recentFrom = offset(recentFrom);
    this.#head = offset(head);
    this.#missed.restore(missed, marks);
    this.#replay.restore(replay, marks);
    this.#recent.restore(recent, marks);
    this.checkInvariants();
  }

  /** Throws when the chunks overlap, are out of order or their costs are wrong. Tests call it after every step. */
  checkInvariants(): void {
    for (const queue of [this.#missed, this.#replay]) {
      const end = queue.checkInvariants();
      if (end > this.#recentFrom) throw new Error(`a chunk ends at ${end}, recent from ${this.#recentFrom}`);
    }
    const end = this.#recent.checkInvariants(this.#recentFrom);
    if (end !== this.#head) throw new Error(`chunks end at ${end}, head is ${this.#head}`);
  }

  /** The queue that holds the byte at `from`. */
  #queueOf(from: Offset): ChunkQueue {
    if (from >= this.#recentFrom) return this.#recent;
    return this.#missed.holds(from) ? this.#missed : this.#replay;
  }

  /** The first byte at or above `from` that is held, or the head. */
  #nextHeld(from: Offset): Offset {
    if (from >= this.#recentFrom) return from;
    const next = Math.min(this.#missed.nextFrom(from), this.#replay.nextFrom(from), this.#recentFrom);
    return offset(next);
  }

  #oldestMissedIsDelivered(to: Offset, delivered: Intervals): boolean {
    const entry = this.#missed.first;
    if (entry === undefined) return false;
    const end = entryEnd(entry);
    return end <= to && delivered.covers(entry.offset, end);
  }

  #moveTo(queue: ChunkQueue, entry: Entry): void {
    if (entry instanceof ChunkRun)
      for (const { stream, offset: at, data } of chunksOf(entry))
        queue.append(stream, at, data, at === entry.offset ? entry.mark : undefined);
    else if (queue.moveIn(entry)) this.#onDrop?.(entry);
  }

  #limit(queue: ChunkQueue, to: Offset, most: number): void {
    if (queue.cost <= most) return;
    const needed = queue.cost - queue.costBelow(to);
    while (queue.cost - needed > most && this.#dropFirst(queue, to));
  }

  #dropFirst(queue: ChunkQueue, to: Offset): boolean {
    const entry = queue.shiftBelow(to);
    if (entry === undefined) return false;
    if (queue === this.#recent) this.#recentFrom = entryEnd(entry);
    this.#drop(entry);
    return true;
  }

  #drop(entry: Entry): void {
    if (!(entry instanceof ChunkRun)) this.#onDrop?.(entry);
  }
}

/** A new chunk object, from `from` on if that is inside. Its bytes do not change: merging writes behind them. */
function piece({ stream, offset: at, data }: Chunk, from: Offset, mostBytes: number): Chunk {
  const begin = Math.max(0, from - at);
  const bytes = Math.min(data.length - begin, mostBytes);
  return {
    stream,
    offset: offset(at + begin),
    data: bytes === data.length ? data : data.subarray(begin, begin + bytes),
    frames: undefined,
  };
}
