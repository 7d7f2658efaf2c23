// The fan-out of one process's output. Producers push chunks and one end; subscribers fork, read at
// their own pace and detach. Does no I/O and knows nothing of processes or RPC; time is an argument.
// Everything happens within the call, so no order of events is left to chance.
//
//            replay                backlog
//   oldest |--------|--------------------------------------| head
//                   ^ needed     ^ delivered
//
// Invariants; `checkInvariants` names the one that broke:
//   I1  needed <= delivered <= head, and oldest <= head. `needed` is where the slowest blocking
//       subscriber stands, or without one, `delivered`.
//   I2  Of each subscriber: start <= deliveredTo <= readTo <= head.
//   I3  No subscriber waits while there is something to read.
//   I4  The gate is a function of the state (gate.ts), and the producers were told it last.
//   I5  The stall watch is on exactly while the gate is closed and a blocking subscriber that received
//       everything waits for more.
//   I6  A blocking subscriber that has begun to read has no gap before it.
//   I7  Replay costs at most what `mostHeldFor` says.
//   I8  The budget knows what is held, until the release.
// The window and the cursors have their own (I9, I10). `delivered` grows only when a connection has
// accepted bytes, or when a client resumes above it.

import { HoldfastError } from "../errors.ts";
import { BufferReturn } from "./buffer-return.ts";
import { chunkEnd, type Offset, type OutputStream, offset } from "./chunk.ts";
import { Cursor, Cursors } from "./cursors.ts";
import { EndSlot } from "./end-slot.ts";
import { type GateState, isFull, mayRead } from "./gate.ts";
import type { BudgetShare } from "./memory-budget.ts";
import type { MultiplexerOptions } from "./multiplexer-options.ts";
import { OutputWindow } from "./output-window.ts";
import { mostHeldFor, newestBytesKept, replayFrom } from "./retention.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Fork, ReadResult, Subscriber } from "./subscriber.ts";

export class Multiplexer<End extends object> {
  readonly #options: MultiplexerOptions;
  readonly #buffers = new BufferReturn();
  readonly #window = new OutputWindow((chunk) => this.#buffers.drop(chunk));
  readonly #endSlot = new EndSlot<End>();
  readonly #cursors = new Cursors();
  readonly #stallWatch: StallWatch;
  readonly #share: BudgetShare;
  /** Every byte below was delivered to a subscriber, or a client that resumed above it says that it has it. */
  #delivered: Offset = offset(0);
  #wasFull = false;
  #isReading = false;
  #pauseCount = 0;

  constructor(options: MultiplexerOptions) {
    this.#options = options;
    this.#stallWatch = new StallWatch(options.stallMs, options.clock, () => this.#cutStalled());
    this.#share = options.budget.join({
      trim: () => {
        const hasTrimmed = this.#window.trimOldest(this.#needed);
        if (hasTrimmed) this.#reportHeld();
        return hasTrimmed;
      },
      onSpentChange: () => {
        this.#updateGate();
        this.#watchStall();
      },
    });
  }

  /** The number of bytes pushed so far. */
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

  /** Where a fork without an offset begins. */
  get attachOffset(): Offset {
    // Rule 12: a client that comes after the end receives all that is held, delivered before or not.
    return this.#endSlot.isSet && this.oldest < this.#delivered ? this.oldest : this.#delivered;
  }

  get subscriberCount(): number {
    return this.#cursors.size;
  }

  /** Whether producers shall read. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /** How often the gate closed before the end. */
  get pauseCount(): number {
    return this.#pauseCount;
  }

  /** How often a subscriber that had received everything began to wait for a slower one. */
  get stallCount(): number {
    return this.#stallWatch.count;
  }

  get end(): End | undefined {
    return this.#endSlot.value;
  }

  /**
   * Appends output and wakes waiting subscribers, within this call. ChunkQueue.append says whether
   * `data` is copied or kept. May be called while the gate is closed, with bytes that were already read.
   * Throws after the end.
   */
  push(stream: OutputStream, data: Buffer): void {
    if (this.#endSlot.isSet) throw new Error("output pushed after the end");
    if (data.length === 0) return;
    if (this.#stallWatch.isOn) this.#resetStallClocks(this.head);
    this.#window.append(stream, data);
    this.#keepNewest();
    this.#retain();
    this.#updateGate();
    this.#wake();
    this.#watchStall();
  }

  /** Sets the end slot, stops reading for good and wakes waiting subscribers. All output must be pushed before. Throws if called twice. */
  finish(end: End): void {
    // Set before waking: a subscriber that is woken, or forks from within, must find it.
    this.#endSlot.set(end);
    this.#updateGate();
    this.#wake();
    this.#watchStall();
  }

  /** No client will fork any more: what is held leaves the budget. Attached subscribers may continue to read. */
  release(): void {
    this.#share.leave();
  }

  /** Attaches one more subscriber, also after the end. Throws `out_of_range` for a `from` beyond the head. */
  fork(fork: Fork): Subscriber<End> {
    const start = this.#startOf(fork.from);
    const cursor = new Cursor(start, fork, this.#options.clock.nowMs());
    // A client that resumes here has received all that comes before. An observer may never have wanted it.
    if (start > this.#delivered && !cursor.isObserver) this.#delivered = start;
    this.#cursors.add(cursor);
    this.#update();
    return {
      start,
      get deliveredTo() {
        return cursor.deliveredTo;
      },
      read: () => this.#read(cursor),
      progress: () => this.#progress(cursor),
      delivered: () => this.#deliver(cursor),
      detach: () => this.#detach(cursor),
    };
  }

  /** Throws when an invariant does not hold, and names it. Tests call it after every step. */
  checkInvariants(): void {
    const { replayBytes } = this.#options;
    const needed = this.#needed;
    assertInvariant("I1", needed <= this.#delivered && this.#delivered <= this.head, () => this.#positions());
    assertInvariant("I1", this.oldest <= this.head, () => this.#positions());
    for (const cursor of this.#cursors) {
      const { start, deliveredTo, readTo, isObserver, isWaiting } = cursor;
      const at = () => `a subscriber at ${start}..${deliveredTo}..${readTo}; ${this.#positions()}`;
      assertInvariant("I2", start <= deliveredTo && deliveredTo <= readTo && readTo <= this.head, at);
      assertInvariant("I3", !(isWaiting && (readTo < this.head || this.#endSlot.isSet)), at);
      assertInvariant("I6", isObserver || readTo >= this.oldest || readTo === start, at);
    }
    const isDue = mayRead(this.#gateState());
    assertInvariant("I4", isDue === this.#isReading, () => `the gate is ${this.#isReading}, due is ${isDue}`);
    const isHeldUp = this.#isSubscriberHeldUp;
    assertInvariant("I5", this.#stallWatch.isOn === isHeldUp, () => `the watch is ${this.#stallWatch.isOn}`);
    const replay = this.#window.replayBytes;
    assertInvariant("I7", replay <= mostHeldFor(replayBytes), () => `replay costs ${replay}`);
    const { reportedBytes } = this.#share;
    const isReported = reportedBytes === undefined || reportedBytes === this.heldBytes;
    assertInvariant("I8", isReported, () => `${this.heldBytes} held, ${reportedBytes} reported`);
    assertPart("I9", () => this.#window.checkInvariants());
    assertPart("I10", () => this.#cursors.checkInvariants());
  }

  #startOf(from: Offset | undefined): Offset {
    if (from === undefined) return this.attachOffset;
    if (from <= this.head) return from;
    throw new HoldfastError(
      "out_of_range",
      `from_offset ${from} is beyond the output's end so far, ${this.head}`,
    );
  }

  #read(cursor: Cursor): ReadResult<End> {
    this.#assertAttached(cursor);
    const from = cursor.readTo;
    if (from < this.oldest) {
      cursor.readTo = this.oldest;
      return { kind: "gap", from, to: this.oldest };
    }
    const chunk = this.#window.read(from);
    if (chunk !== undefined) {
      cursor.readTo = chunkEnd(chunk);
      if (cursor.isObserver) this.#buffers.markInFlight(cursor.readTo);
      return { kind: "chunk", chunk };
    }
    const end = this.#endSlot.value;
    if (end !== undefined) return { kind: "end", end };
    cursor.isWaiting = true;
    this.#watchStall();
    return { kind: "empty" };
  }

  #deliver(cursor: Cursor): void {
    this.#assertAttached(cursor);
    if (cursor.readTo === cursor.deliveredTo) return;
    this.#cursors.advance(cursor);
    this.#progress(cursor);
    if (cursor.deliveredTo > this.#delivered) this.#delivered = cursor.deliveredTo;
    this.#update();
  }

  #progress(cursor: Cursor): void {
    cursor.progressedAtMs = this.#options.clock.nowMs();
  }

  #detach(cursor: Cursor): void {
    // A second detach does nothing: several callers may detect that the client is gone.
    if (this.#remove(cursor)) this.#update();
  }

  #remove(cursor: Cursor): boolean {
    const wasAttached = this.#cursors.delete(cursor);
    if (wasAttached && cursor.readTo > cursor.deliveredTo) this.#buffers.markInFlight(cursor.readTo);
    return wasAttached;
  }

  /** To be called after a change to the cursors. */
  #update(): void {
    this.#retain();
    this.#updateGate();
    this.#watchStall();
  }

  /** The lowest byte that a blocking subscriber, or without one the next client, still needs. */
  get #needed(): Offset {
    return this.#cursors.slowest ?? this.#delivered;
  }

  /** Drops what no client needs and replay does not keep. */
  #retain(): void {
    const { replayBytes } = this.#options;
    const needed = this.#needed;
    if (replayBytes > 0) this.#window.moveToReplay(needed);
    this.#window.trim(offset(replayFrom(needed, this.#delivered, replayBytes)));
    while (this.#window.replayBytes > mostHeldFor(replayBytes) && this.#window.trimOldest(needed));
    this.#reportHeld();
  }

  #keepNewest(): void {
    const bytes = newestBytesKept({ ...this.#options, ...this.#attached() });
    if (bytes === undefined) return;
    this.#window.trim(offset(this.head - bytes));
    // The newest chunk stays, whatever it costs.
    while (this.#window.heldBytes > mostHeldFor(bytes) && this.#window.trimOldest(offset(this.head - 1)));
  }

  #reportHeld(): void {
    this.#share.report(this.#window.heldBytes);
  }

  #attached(): Pick<GateState, "subscriberCount" | "isPaced"> {
    return { subscriberCount: this.#cursors.size, isPaced: this.#cursors.blockingCount > 0 };
  }

  #gateState(): GateState {
    const { windowBytes, detached, budget } = this.#options;
    return {
      ...this.#attached(),
      hasEnded: this.#endSlot.isSet,
      wasFull: this.#wasFull,
      backlogBytes: this.#window.backlogBytes(this.#needed),
      undeliveredBytes: this.head - this.#delivered,
      isBudgetSpent: budget.isSpent,
      windowBytes,
      detached,
    };
  }

  #updateGate(): void {
    const state = this.#gateState();
    this.#wasFull = isFull(state);
    const reading = mayRead(state);
    if (reading === this.#isReading) return;
    this.#isReading = reading;
    if (!reading && !this.#endSlot.isSet) this.#pauseCount++;
    this.#options.onReading(reading);
  }

  /**
   * Subscribers may fork and detach meanwhile. A new one may have read to the head already: only output
   * that came after a subscriber's last read is a reason to wake it.
   */
  #wake(): void {
    for (const cursor of this.#cursors) {
      const hasMore = cursor.readTo < this.head || this.#endSlot.isSet;
      if (!cursor.isWaiting || !hasMore) continue;
      cursor.isWaiting = false;
      cursor.onReadable();
    }
  }

  #watchStall(): void {
    this.#stallWatch.set(this.#isSubscriberHeldUp);
  }

  /**
   * An idle subscriber has received everything, so another one closed the gate: a lone subscriber is
   * never disconnected. After the end no subscriber is held up.
   */
  get #isSubscriberHeldUp(): boolean {
    return !this.#isReading && this.#cursors.hasIdle;
  }

  /** Until now, subscribers that stand at `head` had nothing to accept. */
  #resetStallClocks(head: Offset): void {
    for (const cursor of this.#cursors) if (cursor.deliveredTo === head) this.#progress(cursor);
  }

  /**
   * Disconnects at once all subscribers that had something to accept and accepted nothing for `stallMs`,
   * not only the slowest: ten ghosts shall not cost ten times as long as one. All are chosen before any
   * `onCut` is called, because that may change the state. Returns in how many ms the next may stall.
   */
  #cutStalled(): number {
    const { clock, stallMs } = this.#options;
    const stalled: Cursor[] = [];
    let nextMs = stallMs;
    for (const cursor of this.#cursors) {
      if (cursor.isObserver || cursor.deliveredTo === this.head) continue;
      const dueMs = cursor.progressedAtMs + stallMs - clock.nowMs();
      if (dueMs <= 0) stalled.push(cursor);
      else nextMs = Math.min(nextMs, dueMs);
    }
    for (const cursor of stalled) this.#remove(cursor);
    this.#update();
    for (const { onCut, deliveredTo } of stalled) onCut?.(deliveredTo);
    return nextMs;
  }

  #assertAttached(cursor: Cursor): void {
    if (!this.#cursors.has(cursor)) throw new Error("a detached subscriber was used");
  }

  #positions(): string {
    return `oldest ${this.oldest}, needed ${this.#needed}, delivered ${this.#delivered}, head ${this.head}`;
  }
}

function assertInvariant(name: string, holds: boolean, state: () => string): void {
  if (!holds) throw new Error(`${name} does not hold: ${state()}`);
}

function assertPart(name: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new Error(`${name} does not hold: ${error instanceof Error ? error.message : String(error)}`);
  }
}
