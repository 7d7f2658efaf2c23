// One real multiplexer with the reference model beside it. Every call goes to both, to the model first,
// and throws at the first difference.

import assert from "node:assert/strict";
import { CHUNK_OVERHEAD_BYTES, KEEP_BY_REFERENCE_BYTES } from "../../src/multiplexer/chunk-queue.ts";
import { SPENT_BACKLOG_BYTES } from "../../src/multiplexer/gate.ts";
import {
  type Chunk,
  chunkEnd,
  giveBack,
  type MemoryBudget,
  Multiplexer,
  type OutputStream,
  offset,
  type ReadResult,
  type Subscriber,
  takeBuffer,
} from "../../src/multiplexer/index.ts";
import { mostHeldFor } from "../../src/multiplexer/retention.ts";
import type { FakeClock } from "../support/fake-clock.ts";
import { ByteRanges } from "./byte-ranges.ts";
import { type Bounds, outputAt, type Place, ReferenceModel } from "./reference-model.ts";

const STALL_MS = 1_000;
/** Sixteen chunks cost more, and only behind sixteen are short pieces merged into runs. */
const LEAST_HELD_WITH_RUNS = 16 * CHUNK_OVERHEAD_BYTES;

export interface Settings extends Bounds {
  /** The producer pushes this much at once whenever the gate opens. */
  readonly eagerBytes: number;
}

export interface World {
  readonly budget: MemoryBudget;
  readonly clock: FakeClock;
  /** Whether the budget was spent, or needed room, since the step began. */
  readonly isPressed: () => boolean;
  readonly onPush: (bytes: number) => void;
  /** Whether a producer may push from within a callback once more. */
  readonly mayPushWithin: () => boolean;
}

export interface Attached {
  readonly of: ModelledMultiplexer;
  readonly subscriber: Subscriber<object>;
  readonly place: Place;
  /** The head at the last `empty` read, if `onReadable` was not called since. */
  emptyAt: number | undefined;
}

/** The most that the free rest of a buffer takes in which so many bytes are merged: doubled, and then the next size of the pool. */
export function restOfBuffer(bytes: number): number {
  return Math.min(3 * bytes, KEEP_BY_REFERENCE_BYTES);
}

export class ModelledMultiplexer {
  readonly real: Multiplexer<object>;
  readonly model: ReferenceModel;
  readonly #settings: Settings;
  readonly #world: World;
  readonly #end = { end: "of the process" };
  /** The chunks in flight to each subscriber, attached or not: their bytes must not change. */
  readonly #inUse = new Map<Place, Chunk[]>();
  /** The chunk objects that were read first, by offset, while nothing can have replaced them. */
  readonly #sharedChunks = new Map<number, Chunk>();
  readonly #dueCuts = new Set<Place>();
  /** The last argument of onReading. */
  #gate = false;
  #hasBegun = false;
  /** Chunks that end below may be replay. */
  #highestNeeded = 0;
  /** Bytes that a read has reported as a gap. */
  readonly #gone = new ByteRanges();
  #hasForkedInside = false;
  #mayHaveRuns = false;
  /** How far the push that closed the gate, and those after it, may exceed the bounds. */
  #excessBytes = 0;
  #oldest = 0;
  /** Since when the gate is closed while a subscriber waits. */
  #heldUpSinceMs: number | undefined;

  constructor(settings: Settings, world: World) {
    this.#settings = settings;
    this.#world = world;
    this.model = new ReferenceModel(settings);
    const { clock, budget } = world;
    this.real = new Multiplexer({
      ...settings,
      budget,
      stallMs: STALL_MS,
      clock: {
        nowMs: () => clock.nowMs(),
        startTimer: (delayMs, onTime) => clock.startTimer(delayMs, () => this.#onStallTimer(onTime)),
      },
      onReading: (reading) => this.#onReading(reading),
    });
  }

  get isReleased(): boolean {
    return this.model.isReleased;
  }

  push(stream: OutputStream, bytes: number): void {
    const expected = outputAt(stream, this.model.head, bytes);
    // The caller keeps and overwrites the buffer of short data; the window owns that of long data and returns it.
    const data = takeBuffer(bytes).subarray(0, bytes);
    expected.copy(data);
    if (this.model.ended) {
      assert.throws(() => this.real.push(stream, data), /after the end/);
      return;
    }
    this.#look();
    if (this.#gate) this.#excessBytes = 0;
    const cost = bytes + CHUNK_OVERHEAD_BYTES;
    this.#excessBytes += cost;
    this.#world.onPush(cost + restOfBuffer(this.real.heldBytes + bytes));
    this.model.push(stream, bytes, this.#world.clock.nowMs());
    if (this.real.heldBytes + cost > LEAST_HELD_WITH_RUNS) this.#mayHaveRuns = true;
    this.real.push(stream, data);
    if (bytes < KEEP_BY_REFERENCE_BYTES) {
      data.fill(0xff);
      giveBack(data);
    }
    this.#changed();
  }

  /** Undefined, and nothing changed, for a `from` beyond the head. */
  fork(
    from: number | undefined,
    isObserver: boolean,
    onReadable: (self: Attached) => void,
    onCut: (self: Attached) => void,
  ): Attached | undefined {
    const callbacks = {
      onReadable: () => {
        this.#woken(attached);
        onReadable(attached);
      },
      onCut: (at: number) => {
        assert.equal(at, attached.place.deliveredTo, "where a subscriber was cut");
        assert.ok(this.#dueCuts.delete(attached.place), "a subscriber was cut that was not due");
        onCut(attached);
      },
    };
    const place = from === undefined ? undefined : offset(from);
    if (place !== undefined && place > this.model.head) {
      assert.throws(() => this.real.fork({ from: place, isObserver, ...callbacks }), {
        code: "out_of_range",
      });
      return undefined;
    }
    if (from !== undefined) this.#hasForkedInside = true;
    this.#look();
    const modelled = this.model.fork(from, isObserver, this.#world.clock.nowMs());
    if (!isObserver) this.#hasBegun = true;
    const subscriber = this.real.fork({ from: place, isObserver, ...callbacks });
    const attached: Attached = { of: this, subscriber, place: modelled, emptyAt: undefined };
    assert.equal(subscriber.start, modelled.start, "where a fork begins");
    this.#changed();
    return attached;
  }

  isAttached({ place }: Attached): boolean {
    return this.model.places.has(place);
  }

  read(attached: Attached): ReadResult<object>["kind"] {
    const { place, subscriber } = attached;
    // From within a push the budget may have been pressed just now.
    this.#look();
    const read = subscriber.read();
    this.#checkKind(place, read.kind);
    place.sleeps = read.kind === "empty";
    if (read.kind === "empty") {
      attached.emptyAt = this.model.head;
      place.waits = true;
      this.#watch();
    }
    if (read.kind === "end") assert.equal(read.end, this.#end);
    if (read.kind === "chunk") this.#advance(place, read.chunk);
    if (read.kind === "gap") {
      assert.equal(read.from, place.readTo, "the start of a gap");
      assert.ok(read.to > read.from && read.to <= this.model.head, "the end of a gap");
      this.#assertDroppable(read.from, read.to);
      this.#gone.add(read.from, read.to);
      place.readTo = read.to;
    }
    return read.kind;
  }

  delivered(attached: Attached): void {
    const moves = attached.place.deliveredTo !== attached.place.readTo;
    this.#look();
    this.model.deliver(attached.place, this.#world.clock.nowMs());
    // As a socket would: the bytes are read until they are delivered.
    this.checkContent();
    this.#inUse.delete(attached.place);
    attached.subscriber.delivered();
    if (moves) this.#changed();
  }

  progress(attached: Attached): void {
    attached.place.progressedAtMs = this.#world.clock.nowMs();
    attached.subscriber.progress();
  }

  /** Also of one that is gone: a second detach does nothing. */
  detach(attached: Attached): void {
    this.#look();
    const wasAttached = this.isAttached(attached);
    if (wasAttached) this.model.detach(attached.place);
    attached.subscriber.detach();
    if (wasAttached) this.#changed();
  }

  finish(): void {
    if (this.model.ended) {
      assert.throws(() => this.real.finish({}), /set already/);
    } else {
      this.model.ended = true;
      this.real.finish(this.#end);
      this.#changed();
    }
    assert.equal(this.real.end, this.#end);
  }

  /** Of an ended process, as its owner would. */
  release(): void {
    if (!this.model.ended) return;
    this.#look();
    this.model.release();
    this.real.release();
    this.#changed();
  }

  /** To be called between steps, not from within a call. */
  check(): void {
    const { head, places } = this.model;
    assert.equal(this.real.head, head);
    assert.equal(this.real.subscriberCount, places.size);
    this.#checkHeld();
    this.#checkStalls();
    for (const place of places) {
      if (place.sleeps)
        assert.ok(place.readTo === head && !this.model.ended, "a subscriber sleeps although there is more");
    }
    this.real.checkInvariants();
    assert.equal(this.real.attachOffset, this.model.attachOffset, "where the next client begins");
    this.#checkGate();
  }

  checkContent(): void {
    for (const chunks of this.#inUse.values()) for (const chunk of chunks) assertContent(chunk);
  }

  /** Chunks and gaps up to the head, then the end or nothing. */
  #checkKind(place: Place, kind: ReadResult<object>["kind"]): void {
    const isOutput = kind === "chunk" || kind === "gap";
    assert.equal(isOutput, place.readTo < this.model.head, `${kind} at ${place.readTo}`);
    if (!isOutput) assert.equal(kind, this.model.ended ? "end" : "empty");
  }

  #assertDroppable(from: number, to: number): void {
    const { droppable } = this.model;
    assert.ok(droppable.contains(from, to), `[${from}, ${to}) is dropped, droppable is ${droppable}`);
  }

  /** Before each call: the state of the real one that the model must know. */
  #look(): void {
    this.model.oldest = this.real.oldest;
    this.#highestNeeded = Math.max(this.#highestNeeded, this.model.needed);
    if (this.#world.isPressed()) this.model.press();
  }

  #advance(place: Place, chunk: Chunk): void {
    assert.equal(chunk.offset, place.readTo, "output out of order");
    assert.equal(this.#gone.bytesIn(chunk.offset, chunkEnd(chunk)), 0, "dropped bytes came back");
    assertContent(chunk);
    this.#checkShared(chunk);
    this.#inUse.set(place, [...(this.#inUse.get(place) ?? []), chunk]);
    place.readTo = chunkEnd(chunk);
    assert.ok(place.readTo <= this.model.head);
  }

  /** A recent chunk is the same object for all, unless it is a piece of a run or a client resumed inside it. */
  #checkShared(chunk: Chunk): void {
    if (chunkEnd(chunk) <= this.#highestNeeded || this.#hasForkedInside) return;
    if (this.#mayHaveRuns && chunk.data.length < KEEP_BY_REFERENCE_BYTES) return;
    const before = this.#sharedChunks.get(chunk.offset);
    assert.ok(before === undefined || before === chunk, "a chunk that was read has been replaced");
    this.#sharedChunks.set(chunk.offset, chunk);
  }

  #woken(attached: Attached): void {
    const { emptyAt, place } = attached;
    assert.ok(this.model.places.has(place), "a detached subscriber was woken");
    assert.ok(emptyAt !== undefined, "a subscriber was woken that does not wait");
    assert.ok(emptyAt < this.model.head || this.model.ended, "a subscriber was woken for nothing");
    attached.emptyAt = undefined;
    place.sleeps = false;
    place.waits = false;
  }

  #onReading(reading: boolean): void {
    assert.notEqual(reading, this.#gate, "the producer received the same gate twice");
    this.#gate = reading;
    if (reading && this.#settings.eagerBytes > 0 && this.#world.mayPushWithin())
      this.push("stdout", this.#settings.eagerBytes);
  }

  /** After each call that may change what is needed. */
  #changed(): void {
    this.#look();
    this.#watch();
  }

  #watch(): void {
    if (this.#gate || this.model.ended || !this.model.somebodyWaits) this.#heldUpSinceMs = undefined;
    else this.#heldUpSinceMs ??= this.#world.clock.nowMs();
  }

  #onStallTimer(onTime: () => void): void {
    for (const place of this.#stalled) this.#dueCuts.add(place);
    this.#look();
    this.model.detach(...this.#dueCuts);
    this.#watchAfterCut(onTime);
    assert.equal(this.#dueCuts.size, 0, "a stalled subscriber was not cut");
  }

  #watchAfterCut(onTime: () => void): void {
    onTime();
    this.#changed();
  }

  /** Rule 11: subscribers that had something to accept and accepted nothing for STALL_MS while another one waited. */
  get #stalled(): Place[] {
    const sinceMs = this.#heldUpSinceMs;
    if (sinceMs === undefined) return [];
    const untilMs = this.#world.clock.nowMs() - STALL_MS;
    return this.model.blocking.filter(
      ({ deliveredTo, progressedAtMs }) =>
        deliveredTo < this.model.head && Math.max(sinceMs, progressedAtMs) <= untilMs,
    );
  }

  #checkStalls(): void {
    this.#watch();
    assert.deepEqual(this.#stalled, [], "a stalled subscriber was not cut in time");
  }

  /** The backlog of the slowest client, in bytes or with overheads. */
  get #backlog(): { readonly least: number; readonly most: number } {
    const { needed } = this.model;
    const most = Math.min(this.real.heldBytes, this.model.mostCost(Math.max(needed, this.model.oldest)));
    return { least: this.model.heldFrom(needed).least, most: most + KEEP_BY_REFERENCE_BYTES * 2 };
  }

  #checkGate(): void {
    assert.equal(this.real.isReading, this.#gate);
    assert.ok(this.#mayBe(this.#gate), `the gate is ${this.#gate}`);
    const { ended, blocking, head } = this.model;
    if (!ended && blocking.length > 0 && blocking.every(({ deliveredTo }) => deliveredTo === head))
      assert.ok(this.#gate, "all have taken all, and nothing is read");
  }

  #mayBe(reading: boolean): boolean {
    const { windowBytes, detached } = this.#settings;
    const { least, most } = this.#backlog;
    const { isSpent } = this.#world.budget;
    if (this.model.ended || !this.#hasBegun) return !reading;
    if (!this.model.isDetached) {
      if (reading) return least < windowBytes && !(isSpent && least >= SPENT_BACKLOG_BYTES);
      return most > windowBytes / 2 || (isSpent && most >= SPENT_BACKLOG_BYTES);
    }
    if (detached.kind === "block" || isSpent) return !reading;
    if (detached.kind === "ring") return reading;
    const undelivered = this.model.undelivered;
    const costsTooMuch = mostHeldFor(detached.bytes);
    if (reading) return undelivered.least < detached.bytes && least < costsTooMuch;
    return undelivered.most >= detached.bytes || most >= costsTooMuch;
  }

  #checkHeld(): void {
    const { model, real } = this;
    // Another one's push may have asked for room.
    this.#look();
    const { oldest, heldBytes } = real;
    assert.ok(oldest >= this.#oldest, "dropped output came back");
    this.#oldest = oldest;
    this.#assertDroppable(0, oldest);
    assert.ok(heldBytes >= (heldBytes > 0 ? CHUNK_OVERHEAD_BYTES : 0), "less counted than held");
    assert.ok(heldBytes <= model.mostCost(oldest), "more counted than held");
    assert.ok(heldBytes < this.#mostHeld + this.#excessBytes, `the bound: ${heldBytes} held`);
    if (model.isReleased && model.places.size === 0) assert.equal(heldBytes, 0, "held for nobody");
  }

  /** A window, the replay, the missed output, and what was proved delivered since the last push. */
  get #mostHeld(): number {
    const { windowBytes, replayBytes, detached } = this.#settings;
    const newest = Math.max(windowBytes, replayBytes, detached.kind === "buffer" ? detached.bytes : 0);
    return 3 * mostHeldFor(newest) + mostHeldFor(replayBytes);
  }
}

function assertContent({ stream, offset: at, data }: Chunk): void {
  assert.ok(data.equals(outputAt(stream, at, data.length)), `wrong bytes in ${stream} at ${at}`);
}
