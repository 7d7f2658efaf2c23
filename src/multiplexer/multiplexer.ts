// The fan-out of one process's output. Producers push chunks and one end; subscribers fork, read at
// their own pace and detach. Does no I/O and knows nothing of processes or RPC; time is an argument.
// Everything happens within the call, so no order of events is left to chance.
//
//            replay                backlog
//   oldest |--------|--------------------------------------| head
//                   ^ needed
//
// Needed is where the slowest blocking subscriber stands; detached, the first byte held that is not
// delivered. Output below that is not delivered is missed output: it waits for the client that left it.
//
// Invariants; `checkInvariants` names the one that broke:
//   I1  recent chunks end at the head, and needed <= head.
//   I2  Of each subscriber: start <= deliveredTo <= readTo <= head.
//   I3  No subscriber waits while there is something to read.
//   I4  The gate is a function of the state (gate.ts), and the producers received its latest value.
//   I5  The stall watch is on exactly while the gate is closed and a blocking subscriber that received
//       everything waits for more.
//   I6  No chunk is dropped that an attached blocking subscriber still needs.
//   I7  Replay that no attached client needs costs at most what `mostHeldFor` says, or what it cost when a
//       client attached: attaching drops nothing.
//   I8  The budget knows the memory of what is held, until nothing is held any more.
//   I9  Observers have no influence: no state but their own cursors follows from them.
//   I10 The window, the cursors, the intervals and the times are consistent.
// `#delivered` grows only when the connection of a blocking subscriber has accepted bytes (or the gap in
// their place), or when a client resumes above bytes that were sent.

import { HoldfastError } from "../errors.ts";
import { BufferReturn } from "./buffer-return.ts";
import { type Chunk, chunkEnd, type Marked, type Offset, type OutputStream, offset } from "./chunk.ts";
import { Cursor, Cursors } from "./cursors.ts";
import { EndSlot } from "./end-slot.ts";
import { type GateState, isFull, mayRead, type PausedReason, pausedReason } from "./gate.ts";
import { Intervals } from "./intervals.ts";
import type { BudgetShare } from "./memory-budget.ts";
import type { DetachedMode, MultiplexerOptions } from "./multiplexer-options.ts";
import { MarkTable, type OutputState } from "./output-state.ts";
import { OutputWindow } from "./output-window.ts";
import { mostHeldFor, mostMissed, replayFrom, ringFrom } from "./retention.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Fork, ReadResult, Subscriber } from "./subscriber.ts";
import { type TimeMark, TimeMarks } from "./time-marks.ts";

export class Multiplexer<End extends object> {
  readonly #options: MultiplexerOptions;
  readonly #buffers = new BufferReturn();
  readonly #window = new OutputWindow((chunk) => this.#onDrop(chunk));
  readonly #endSlot = new EndSlot<End>();
  readonly #cursors = new Cursors();
  readonly #times = new TimeMarks();
  readonly #stallWatch: StallWatch;
  readonly #share: BudgetShare;
  /** Rule 5. A gap that a client received counts as its bytes. */
  readonly #delivered: Intervals;
  /** Output that was in flight to a blocking subscriber when it left: a client that resumes above has received it. */
  readonly #inFlight: Intervals;
  #sentTo: Offset = offset(0);
  #hasBegun = false;
  #isReleased = false;
  #isReadingOut = false;
  #wasFull = false;
  #isReading = false;
  #pauseCount = 0;
  /** Restored, and `goOn` was not called: nothing is reported, so nothing is dropped that a carried stream needs. */
  #isHeldStill: boolean;
  /** See I7. */
  #mostReplay: number;
  /** See I6. */
  #neededChunkDropped: Offset | undefined;

  /**
   * With `saved`, it is what another one was, without its subscribers, and owns the saved buffers. It does nothing
   * before `goOn`: only forks of carried streams may come before.
   */
  constructor(options: MultiplexerOptions, saved?: OutputState<End>) {
    this.#options = options;
    this.#isHeldStill = saved !== undefined;
    this.#delivered = new Intervals(saved?.delivered);
    this.#inFlight = new Intervals(saved?.inFlight);
    this.#mostReplay = saved?.mostReplay ?? mostHeldFor(options.replayBytes);
    this.#stallWatch = new StallWatch(
      options.stallMs,
      options.clock,
      () => this.#cutStalled(),
      saved?.stallCount,
    );
    this.#share = options.budget.join({
      trim: () => this.#reportIf(this.#window.dropOldestDelivered(this.#needed, this.#delivered)),
      trimEnded: () =>
        (this.#endSlot.isSet || this.#isReadingOut) &&
        this.#reportIf(this.#window.dropOldest(this.#cursors.slowest ?? this.head)),
      onSpentChange: () => {
        if (this.#isHeldStill) return;
        this.#updateGate();
        this.#watchStall();
        this.#reportChange();
      },
    });
    if (saved !== undefined) this.#restore(saved);
  }

  /**
   * Everything but the subscribers, as plain data. Changes nothing. Its buffers are those of the window: they are to
   * be copied before anything else happens.
   */
  save(): OutputState<End> {
    const marks = new MarkTable();
    const window = this.#window.save(marks);
    const inFlight = new Intervals(this.#inFlight.bounds);
    // Its client may come back: its output counts as sent.
    for (const { isObserver, deliveredTo, readTo } of this.#cursors)
      if (!isObserver) inFlight.add(deliveredTo, readTo);
    return {
      window,
      marks: marks.marks,
      delivered: this.#delivered.bounds,
      inFlight: inFlight.bounds,
      sentTo: this.#sentTo,
      hasBegun: this.#hasBegun,
      wasFull: this.#wasFull,
      isReleased: this.#isReleased,
      mostReplay: this.#mostReplay,
      pauseCount: this.#pauseCount,
      stallCount: this.stallCount,
      times: this.#times.save(),
      end: this.end,
    };
  }

  /** Of a restored one, once its carried streams have forked: from here on it works. */
  goOn(): void {
    this.#isHeldStill = false;
    if (this.#isReleased) this.#dropUnread();
    this.#report();
    this.#updateGate();
    this.#watchStall();
    this.#reportChange();
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

  /** The memory of what is held, with the free rest of its buffers: what the budget counts. */
  get memoryBytes(): number {
    return this.#window.memoryBytes;
  }

  /** The highest offset that any subscriber was sent. A client with a higher one has seen another machine's output. */
  get sentTo(): Offset {
    return this.#sentTo;
  }

  /** Where a fork without an offset begins: rule 6, or where a gap of bytes that were not delivered begins. */
  get attachOffset(): Offset {
    const undelivered = this.#delivered.firstOutside(0);
    // A client that comes after the end receives all that is held, delivered before or not.
    return this.#endSlot.isSet && this.oldest < undelivered ? this.oldest : undelivered;
  }

  /** Observers included. */
  get subscriberCount(): number {
    return this.#cursors.size;
  }

  /** Subscribers that are not observers. Without one, the process is detached. */
  get blockingCount(): number {
    return this.#cursors.blockingCount;
  }

  /** Whether producers shall read. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /** Why producers shall not read; undefined if they shall, and after the end. */
  get pausedReason(): PausedReason | undefined {
    return this.#isReading ? undefined : pausedReason(this.#gateState());
  }

  /** Where the slowest subscriber that is not an observer stands; undefined without one. */
  get slowestOffset(): Offset | undefined {
    return this.#cursors.slowest;
  }

  get detachedMode(): DetachedMode["kind"] {
    return this.#options.detached.kind;
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
   * Throws after the end. `mark` says what the producer knows before the first byte of `data`; the
   * multiplexer never reads it, and holds that of each chunk's first byte.
   */
  push(stream: OutputStream, data: Buffer, mark?: object): void {
    if (this.#endSlot.isSet) throw new Error("output pushed after the end");
    if (data.length === 0) return;
    if (this.#stallWatch.isOn) this.#resetStallClocks(this.head);
    const { wallMs } = this.#options;
    if (wallMs !== undefined) this.#times.add(this.head, wallMs(), this.oldest, this.heldBytes);
    this.#window.append(stream, data, mark);
    this.#evict();
    this.#updateGate();
    this.#wake();
    this.#watchStall();
    this.#reportChange();
  }

  /** When the output of `[from, to)` was pushed; see TimeMarks. */
  timesOf(from: Offset, to: Offset): TimeMark[] {
    return this.#times.within(from, to);
  }

  /**
   * The known state at the first byte held at or above `from`: the mark of its chunk, and the bytes
   * of the chunk before it. Undefined if nothing is held there.
   */
  markBefore(from: Offset): Marked | undefined {
    return this.#window.markBefore(from);
  }

  /** Sets the end slot, stops reading for good and wakes waiting subscribers. All output must be pushed before. Throws if called twice. */
  finish(end: End): void {
    // Set before waking: a subscriber that is woken, or forks from within, must find it.
    this.#endSlot.set(end);
    // The budget may drop the output of an ended process.
    this.#report();
    this.#updateGate();
    this.#wake();
    this.#watchStall();
    this.#reportChange();
  }

  /**
   * No client will fork any more. The output that attached subscribers still need stays held, and in the budget;
   * everything else is dropped.
   */
  release(): void {
    this.#isReleased = true;
    this.#dropUnread();
    this.#reportChange();
  }

  /** The process starts without a blocking subscriber: from here on it is detached. A second call does nothing. */
  beginDetached(): void {
    this.#hasBegun = true;
    this.#updateGate();
    this.#reportChange();
  }

  /**
   * The process has exited, and its pipes hold more output. Producers shall read it until `endReadOut`, as far as the
   * budget allows. A second call does nothing.
   */
  beginReadOut(): void {
    this.#setReadingOut(true);
  }

  /** All of it is read. A second call does nothing. */
  endReadOut(): void {
    this.#setReadingOut(false);
  }

  #setReadingOut(isReadingOut: boolean): void {
    if (this.#isReadingOut === isReadingOut) return;
    this.#isReadingOut = isReadingOut;
    this.#updateGate();
    this.#watchStall();
  }

  /** Attaches one more subscriber, also after the end. Throws `out_of_range` for a `from` beyond the head. */
  fork(fork: Fork): Subscriber<End> {
    const start = this.#startOf(fork.from);
    const cursor = new Cursor(start, fork, this.#options.clock.nowMs());
    if (!cursor.isObserver) {
      if (fork.from !== undefined && fork.readTo === undefined) this.#acknowledge(fork.from);
      this.#hasBegun = true;
    }
    this.#cursors.add(cursor);
    if (!cursor.isObserver) this.#attach();
    this.#reportChange();
    return {
      start,
      get deliveredTo() {
        return cursor.deliveredTo;
      },
      get readTo() {
        return cursor.readTo;
      },
      read: (mostBytes) => this.#read(cursor, mostBytes),
      progress: () => this.#progress(cursor),
      delivered: () => this.#deliver(cursor),
      detach: () => this.#detach(cursor),
    };
  }

  /** Throws when an invariant does not hold, and names it. Tests call it after every step. */
  checkInvariants(): void {
    assertInvariant("I1", this.#needed <= this.head, () => this.#positions());
    for (const cursor of this.#cursors) {
      const { start, deliveredTo, readTo, isWaiting } = cursor;
      const at = () => `a subscriber at ${start}..${deliveredTo}..${readTo}; ${this.#positions()}`;
      assertInvariant("I2", start <= deliveredTo && deliveredTo <= readTo && readTo <= this.head, at);
      assertInvariant("I3", !(isWaiting && (readTo < this.head || this.#endSlot.isSet)), at);
    }
    const isDue = mayRead(this.#gateState());
    assertInvariant("I4", isDue === this.#isReading, () => `the gate is ${this.#isReading}, due is ${isDue}`);
    const isHeldUp = this.#isSubscriberHeldUp;
    assertInvariant("I5", this.#stallWatch.isOn === isHeldUp, () => `the watch is ${this.#stallWatch.isOn}`);
    const dropped = this.#neededChunkDropped;
    assertInvariant("I6", dropped === undefined, () => `the chunk at ${dropped} was dropped`);
    const replayCost = this.#window.replayCostBelow(this.#needed);
    assertInvariant("I7", replayCost <= this.#mostReplay, () => `replay costs ${replayCost}`);
    const { reportedBytes } = this.#share;
    const isReported = (reportedBytes ?? 0) === this.memoryBytes;
    assertInvariant("I8", isReported, () => `${this.memoryBytes} taken, ${reportedBytes} reported`);
    for (const part of [this.#window, this.#cursors, this.#delivered, this.#inFlight, this.#times])
      assertPart("I10", () => part.checkInvariants());
  }

  #startOf(from: Offset | undefined): Offset {
    if (from === undefined) return this.attachOffset;
    if (from <= this.head) return from;
    throw new HoldfastError(
      "out_of_range",
      `from_offset ${from} is beyond the output's end so far, ${this.head}`,
    );
  }

  #read(cursor: Cursor, mostBytes?: number): ReadResult<End> {
    this.#assertAttached(cursor);
    const from = cursor.readTo;
    const found = this.#window.read(from, mostBytes);
    if (found?.kind === "gap") {
      cursor.readTo = found.to;
      return { kind: "gap", from, to: found.to };
    }
    if (found !== undefined) {
      cursor.readTo = chunkEnd(found.chunk);
      if (cursor.readTo > this.#sentTo) this.#sentTo = cursor.readTo;
      if (cursor.isObserver) this.#buffers.markInFlight(cursor.readTo);
      return found;
    }
    const end = this.#endSlot.value;
    if (end !== undefined) return { kind: "end", end };
    cursor.isWaiting = true;
    this.#watchStall();
    return { kind: "empty" };
  }

  #deliver(cursor: Cursor): void {
    this.#assertAttached(cursor);
    const from = cursor.deliveredTo;
    if (cursor.readTo === from) return;
    this.#cursors.advance(cursor);
    this.#progress(cursor);
    if (!cursor.isObserver) this.#delivered.add(from, cursor.readTo);
    this.#leave(cursor);
  }

  #progress(cursor: Cursor): void {
    cursor.progressedAtMs = this.#options.clock.nowMs();
  }

  #detach(cursor: Cursor): void {
    // A second detach does nothing: several callers may detect that the client is gone.
    if (this.#remove(cursor)) this.#leave(cursor);
  }

  #remove(cursor: Cursor): boolean {
    if (!this.#cursors.delete(cursor)) return false;
    if (cursor.readTo > cursor.deliveredTo) {
      this.#buffers.markInFlight(cursor.readTo);
      if (!cursor.isObserver) this.#inFlight.add(cursor.deliveredTo, cursor.readTo);
    }
    return true;
  }

  /** Rule 5: a client that resumes at `from` has received the bytes below that were sent to a blocking subscriber. */
  #acknowledge(from: Offset): void {
    this.#delivered.addBelow(from, this.#inFlight);
    this.#inFlight.removeBelow(from);
    for (const { isObserver, deliveredTo, readTo } of this.#cursors)
      if (!isObserver) this.#delivered.add(deliveredTo, Math.min(from, readTo));
  }

  /** A blocking subscriber has come. Chunks may become replay or missed output; nothing is dropped. */
  #attach(): void {
    if (this.#isHeldStill) return;
    const needed = this.#needed;
    this.#window.settle(needed, this.#delivered, offset(0));
    this.#mostReplay = Math.max(this.#mostReplay, this.#window.replayCostBelow(needed));
    this.#report();
    this.#updateGate();
    this.#watchStall();
  }

  /** `cursor` has left its place: it has received its chunk, or it detached. */
  #leave(cursor: Cursor): void {
    this.#reportChange();
    if (this.#isReleased) this.#dropUnread();
    if (cursor.isObserver) return;
    this.#retain(cursor.deliveredTo);
    this.#updateGate();
    this.#watchStall();
  }

  /** The first byte that a blocking subscriber needs; without one, that the next client needs. */
  get #needed(): Offset {
    return this.#cursors.slowest ?? this.#delivered.firstOutside(this.oldest);
  }

  /** Drops replay that no client needs, and output that lies more than the replay below `delivered`. */
  #retain(delivered: Offset): void {
    const { replayBytes } = this.#options;
    const needed = this.#needed;
    const from = offset(replayFrom(needed, delivered, replayBytes));
    this.#window.settle(needed, this.#delivered, from);
    this.#window.dropDelivered(from, this.#delivered);
    this.#mostReplay = mostHeldFor(replayBytes);
    this.#window.limitReplay(needed, this.#mostReplay);
    this.#report();
  }

  /** New output evicts old output, oldest first. */
  #evict(): void {
    const { replayBytes, windowBytes, detached } = this.#options;
    const isAttached = this.blockingCount > 0;
    if (!isAttached && detached.kind === "ring") {
      this.#window.dropBelow(offset(ringFrom(this.head, replayBytes)));
      // The newest chunk stays at any cost.
      const most = mostHeldFor(replayBytes);
      while (this.heldBytes > most && this.#window.dropOldest(offset(this.head - 1)));
    }
    this.#retain(this.#delivered.high);
    const most = mostMissed(detached, windowBytes, replayBytes);
    this.#window.limitMissed(this.#cursors.slowest ?? this.head, most);
    this.#report();
  }

  /** After the release: drops what no attached subscriber needs, observers included. */
  #dropUnread(): void {
    let unread: number = this.head;
    for (const { deliveredTo } of this.#cursors) unread = Math.min(unread, deliveredTo);
    this.#window.dropBelow(offset(unread));
    this.#report();
    if (this.#cursors.size === 0) this.#share.leave();
  }

  #report(): void {
    this.#share.report(this.memoryBytes);
  }

  #restore({
    window,
    marks,
    sentTo,
    hasBegun,
    wasFull,
    isReleased,
    times,
    pauseCount,
    end,
  }: OutputState<End>): void {
    this.#window.restore(window, marks);
    this.#times.restore(times);
    this.#sentTo = offset(sentTo);
    this.#hasBegun = hasBegun;
    this.#wasFull = wasFull;
    this.#isReleased = isReleased;
    this.#pauseCount = pauseCount;
    if (end !== undefined) this.#endSlot.set(end);
  }

  #reportIf(hasDropped: boolean): boolean {
    if (hasDropped) {
      this.#report();
      this.#reportChange();
    }
    return hasDropped;
  }

  #reportChange(): void {
    this.#options.onChange?.();
  }

  #onDrop(chunk: Chunk): void {
    if (chunkEnd(chunk) > (this.#cursors.slowest ?? this.head)) this.#neededChunkDropped = chunk.offset;
    this.#buffers.drop(chunk);
  }

  #gateState(): GateState {
    const { windowBytes, detached, budget } = this.#options;
    const window = this.#window;
    return {
      hasEnded: this.#endSlot.isSet,
      hasBegun: this.#hasBegun,
      isReadingOut: this.#isReadingOut,
      isAttached: this.blockingCount > 0,
      wasFull: this.#wasFull,
      backlogBytes: window.backlogBytes(this.#needed),
      undeliveredBytes: this.#delivered.outsideBytes(window.missedFrom, this.head),
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
    for (const cursor of stalled) this.#leave(cursor);
    for (const { onCut, deliveredTo } of stalled) onCut?.(deliveredTo);
    return nextMs;
  }

  #assertAttached(cursor: Cursor): void {
    if (!this.#cursors.has(cursor)) throw new Error("a detached subscriber was used");
  }

  #positions(): string {
    return `oldest ${this.oldest}, needed ${this.#needed}, delivered ${this.#delivered.toString()}, head ${this.head}`;
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
