// The fan-out of one process's output. Producers push chunks and one end; subscribers fork, read at their own
// pace and detach. Does no I/O and knows nothing of processes or RPC; time comes in as an argument. Everything happens
// in the turn of the event loop in which it is called, so there is no order of events that is not decided here.
//
//            replay                backlog
//   oldest |--------|--------------------------------------| head
//                   ^ kept       ^ delivered to somebody
//
// Kept is where the slowest blocking subscriber has taken to, or with none, `delivered`: above it somebody still needs,
// or nobody has had, every byte. Below it, replay. A fork without a place of its own begins at `delivered`, so that
// whatever order forks and detaches come in, no byte falls between two subscribers (rules 5 and 11).

import { HoldfastError } from "../errors.ts";
import { giveBack } from "./buffer-pool.ts";
import { chunkEnd, type Offset, type OutputStream, offset } from "./chunk.ts";
import { Cursor } from "./cursor.ts";
import { Cursors } from "./cursors.ts";
import { EndSlot } from "./end-slot.ts";
import type { BudgetShare } from "./memory-budget.ts";
import { type MultiplexerOptions, mostHeldFor, SPENT_BACKLOG_BYTES } from "./multiplexer-options.ts";
import { OutputWindow } from "./output-window.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Fork, Read, Subscriber } from "./subscriber.ts";

export class Multiplexer<End extends object> {
  readonly #options: MultiplexerOptions;
  readonly #window = new OutputWindow((chunk) => {
    // Who is waited for has taken what is let go of: see #kept.
    if (chunk.offset >= this.#lentTo) giveBack(chunk.data);
  });
  readonly #endSlot = new EndSlot<End>();
  readonly #cursors = new Cursors();
  readonly #stallWatch: StallWatch;
  readonly #share: BudgetShare;
  /** Every byte below was taken by some subscriber, or a client that came to go on from here says that it has it. */
  #delivered: Offset = offset(0);
  /** Below, whom nobody waits for (one that left, an observer) may still be writing what it read: that is not given back. */
  #lentTo: Offset = offset(0);
  #full = false;
  #reading = false;
  #pauseCount = 0;

  constructor(options: MultiplexerOptions) {
    this.#options = options;
    this.#stallWatch = new StallWatch(options.stallMs, options.clock, () => this.#cutStalled());
    this.#share = options.budget.join({
      shed: () => {
        const hasShed = this.#window.trimOldest(this.#kept);
        if (hasShed) this.#reportHeld();
        return hasShed;
      },
      onSpentChange: () => {
        this.#updateGate();
        this.#watchStall();
      },
    });
  }

  /** Total bytes pushed so far. */
  get head(): Offset {
    return this.#window.head;
  }

  /** The first byte still held. */
  get oldest(): Offset {
    return this.#window.oldest;
  }

  get heldBytes(): number {
    return this.#window.heldBytes;
  }

  /** Where a fork without a place of its own begins. */
  get attachOffset(): Offset {
    // Rule 12: who comes after the end gets all that is held, whoever had it before.
    return this.#endSlot.isSet && this.oldest < this.#delivered ? this.oldest : this.#delivered;
  }

  get subscriberCount(): number {
    return this.#cursors.size;
  }

  /** Whether producers shall read. */
  get reading(): boolean {
    return this.#reading;
  }

  /** How often producers were told to stop reading before the end. */
  get pauseCount(): number {
    return this.#pauseCount;
  }

  /** How often a subscriber that had taken all began to wait for one that had not. */
  get stallCount(): number {
    return this.#stallWatch.count;
  }

  get end(): End | undefined {
    return this.#endSlot.value;
  }

  /**
   * Appends output and wakes who waits for it, within this call. Whether `data` is copied or kept follows
   * ChunkQueue.append. May be called while the gate says stop, for bytes that are already in hand. Throws after the end.
   */
  push(stream: OutputStream, data: Buffer): void {
    if (this.#endSlot.isSet) throw new Error("output pushed after the end");
    if (data.length === 0) return;
    if (this.#stallWatch.isOn) this.#excuse(this.head);
    this.#window.append(stream, data);
    this.#keepNewest();
    this.#retain();
    this.#updateGate();
    this.#wake();
    this.#watchStall();
  }

  /** Sets the end slot, stops reading for good and wakes who waits. Output must be complete. Throws if called twice. */
  finish(end: End): void {
    // Set before waking: whoever is woken, or forks from within its waking, must find it.
    this.#endSlot.set(end);
    this.#updateGate();
    this.#wake();
    this.#watchStall();
  }

  /** Nobody will fork any more: takes what is held off the budget. Subscribers that are attached may read on. */
  release(): void {
    this.#share.leave();
  }

  /** Attaches one more subscriber, also after the end. Throws `out_of_range` for a `from` beyond the head. */
  fork(fork: Fork): Subscriber<End> {
    const start = this.#startOf(fork.from);
    const cursor = new Cursor(start, fork, this.#options.clock.nowMs());
    // Who asks to go on from here has all that comes before it. An observer may never have wanted it.
    if (start > this.#delivered && !cursor.skips) this.#delivered = start;
    this.#cursors.add(cursor);
    this.#settle();
    return {
      start,
      get takenTo() {
        return cursor.takenTo;
      },
      read: (maxBytes) => this.#read(cursor, maxBytes),
      progress: () => this.#progress(cursor),
      taken: () => this.#taken(cursor),
      detach: () => this.#detach(cursor),
    };
  }

  /** Throws if the state is not what the comments say. For tests, after every step. */
  checkInvariants(): void {
    this.#window.checkInvariants();
    this.#cursors.checkInvariants();
    if (this.#kept > this.#delivered) throw new Error(`kept ${this.#kept}, delivered ${this.#delivered}`);
    for (const cursor of this.#cursors) {
      if (cursor.takenTo > cursor.readTo || cursor.readTo > this.head)
        throw new Error(`cursor ${cursor.takenTo}..${cursor.readTo}, head ${this.head}`);
      if (cursor.waiting && (cursor.readTo < this.head || this.#endSlot.isSet))
        throw new Error(`a subscriber sleeps at ${cursor.readTo} though there is more to read`);
    }
    if (this.#stallWatch.isOn !== this.#somebodyIsHeldUp) throw new Error("stall watch");
    if (this.#mayRead() !== this.#reading) throw new Error(`gate ${this.#reading}, due ${this.#mayRead()}`);
  }

  #startOf(from: Offset | undefined): Offset {
    if (from === undefined) return this.attachOffset;
    if (from <= this.head) return from;
    throw new HoldfastError(
      "out_of_range",
      `from_offset ${from} is beyond the output's end so far, ${this.head}`,
    );
  }

  #read(cursor: Cursor, maxBytes: number): Read<End> {
    this.#assertAttached(cursor);
    const from = cursor.readTo;
    if (from < this.oldest) {
      cursor.readTo = this.oldest;
      return { kind: "gap", from, to: this.oldest };
    }
    const chunks = this.#window.read(from, maxBytes);
    const last = chunks.at(-1);
    if (last !== undefined) {
      cursor.readTo = chunkEnd(last);
      if (cursor.skips) this.#lend(cursor);
      return { kind: "chunks", chunks };
    }
    const end = this.#endSlot.value;
    if (end !== undefined) return { kind: "end", end };
    cursor.waiting = true;
    this.#watchStall();
    return { kind: "empty" };
  }

  #taken(cursor: Cursor): void {
    this.#assertAttached(cursor);
    if (cursor.readTo === cursor.takenTo) return;
    this.#cursors.advance(cursor);
    this.#progress(cursor);
    if (cursor.takenTo > this.#delivered) this.#delivered = cursor.takenTo;
    this.#settle();
  }

  #progress(cursor: Cursor): void {
    cursor.progressedAtMs = this.#options.clock.nowMs();
  }

  #detach(cursor: Cursor): void {
    // A second detach finds nothing: whoever notices a gone client first, others may notice it too.
    if (this.#remove(cursor)) this.#settle();
  }

  #remove(cursor: Cursor): boolean {
    const was = this.#cursors.delete(cursor);
    if (was) this.#lend(cursor);
    return was;
  }

  /** What it has read and not taken may be on its way to a socket. */
  #lend(cursor: Cursor): void {
    if (cursor.readTo > cursor.takenTo && cursor.readTo > this.#lentTo) this.#lentTo = cursor.readTo;
  }

  /** After any change of who needs what. */
  #settle(): void {
    this.#retain();
    this.#updateGate();
    this.#watchStall();
  }

  /** Whoever reads below has it from replay. */
  get #kept(): Offset {
    return this.#cursors.slowest ?? this.#delivered;
  }

  /** Lets go of what nobody needs and replay does not keep. */
  #retain(): void {
    const { replayBytes } = this.#options;
    const kept = this.#kept;
    if (replayBytes > 0) this.#window.settle(kept);
    this.#window.trim(offset(Math.min(kept, this.#delivered - replayBytes)));
    while (this.#window.coldBytes > mostHeldFor(replayBytes) && this.#window.trimOldest(kept));
    this.#reportHeld();
  }

  /**
   * Where nobody is waited for, new output pushes out the oldest, whether somebody has had that or not. Only new output:
   * a client that leaves a ring, or an observer that comes, makes nothing fall out.
   */
  #keepNewest(): void {
    const bytes = this.#newestBytes;
    if (bytes === undefined) return;
    this.#window.trim(offset(this.head - bytes));
    // The very newest stays, whatever it costs.
    while (this.#window.heldBytes > mostHeldFor(bytes) && this.#window.trimOldest(offset(this.head - 1)));
  }

  get #newestBytes(): number | undefined {
    const { replayBytes, windowBytes, detached } = this.#options;
    if (this.#cursors.size === 0) return detached.kind === "ring" ? replayBytes : undefined;
    if (this.#cursors.slowest !== undefined) return undefined;
    // Only observers: what the process would keep for its next client without them, and a window for them.
    return Math.max(replayBytes, windowBytes, detached.kind === "buffer" ? detached.bytes : 0);
  }

  #reportHeld(): void {
    this.#share.report(this.#window.heldBytes);
  }

  #updateGate(): void {
    const { windowBytes, onReading } = this.#options;
    const isPaced = this.#cursors.slowest !== undefined;
    this.#full =
      isPaced && (this.#full ? this.#backlogBytes > windowBytes / 2 : this.#backlogBytes >= windowBytes);
    const reading = this.#mayRead();
    if (reading === this.#reading) return;
    this.#reading = reading;
    if (!reading && !this.#endSlot.isSet) this.#pauseCount++;
    onReading(reading);
  }

  #mayRead(): boolean {
    if (this.#endSlot.isSet) return false;
    return this.#cursors.size > 0 ? this.#mayReadAttached() : this.#mayReadDetached();
  }

  #mayReadAttached(): boolean {
    if (this.#full) return false;
    // A spent budget slows clients down, observers too; it must not stop them, or they could never make room.
    return !this.#options.budget.isSpent || this.#backlogBytes < SPENT_BACKLOG_BYTES;
  }

  #mayReadDetached(): boolean {
    const { detached, budget } = this.#options;
    if (detached.kind === "block" || budget.isSpent) return false;
    if (detached.kind === "ring") return true;
    return this.head - this.#delivered < detached.bytes && this.#backlogBytes < mostHeldFor(detached.bytes);
  }

  /** What the slowest blocking subscriber has before it, or with none, what nobody has had. */
  get #backlogBytes(): number {
    return this.#window.backlogBytes(this.#kept);
  }

  /**
   * A Set may change while it is walked: who detaches is not called. Who forks meanwhile is walked, too, and may have read
   * to the head already: only what came after a subscriber's last read is a reason to call it.
   */
  #wake(): void {
    for (const cursor of this.#cursors) {
      const hasMore = cursor.readTo < this.head || this.#endSlot.isSet;
      if (!cursor.waiting || !hasMore) continue;
      cursor.waiting = false;
      cursor.onReadable();
    }
  }

  #watchStall(): void {
    this.#stallWatch.set(this.#somebodyIsHeldUp);
  }

  /**
   * Who is idle has taken all: so whoever shut the gate is somebody else, and a lone subscriber is never cut. After the end
   * nobody waits.
   */
  get #somebodyIsHeldUp(): boolean {
    return !this.#reading && this.#cursors.somebodyWaits;
  }

  /** Until now, those who have taken all had nothing to take. */
  #excuse(head: Offset): void {
    for (const cursor of this.#cursors) if (cursor.takenTo === head) this.#progress(cursor);
  }

  /**
   * Cuts all at once who have had something before them and took nothing for `stallMs`, also those that are not the
   * slowest: ten ghosts shall not cost ten times as long as one. All are chosen before any is told: whoever is told first
   * may change what the choice rests on.
   */
  #cutStalled(): number {
    const { clock, stallMs } = this.#options;
    const stalled: Cursor[] = [];
    let nextMs = stallMs;
    for (const cursor of this.#cursors) {
      if (cursor.skips || cursor.takenTo === this.head) continue;
      const dueMs = cursor.progressedAtMs + stallMs - clock.nowMs();
      if (dueMs <= 0) stalled.push(cursor);
      else nextMs = Math.min(nextMs, dueMs);
    }
    for (const cursor of stalled) this.#remove(cursor);
    this.#settle();
    for (const { onCut, takenTo } of stalled) onCut?.(takenTo);
    return nextMs;
  }

  #assertAttached(cursor: Cursor): void {
    if (!this.#cursors.has(cursor)) throw new Error("a detached subscriber was used");
  }
}
