// One real multiplexer with the reference model beside it. Every call is made to both, the model first, and throws at the
// first difference.

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
import { type Bounds, outputAt, type Place, ReferenceModel } from "./reference-model.ts";

const STALL_MS = 1_000;
/** Sixteen chunks cost more: only behind so many are short pieces gathered into runs. */
const LEAST_HELD_WITH_RUNS = 16 * CHUNK_OVERHEAD_BYTES;

export interface Settings extends Bounds {
  /** The producer pushes so much at once whenever it is told to read. */
  readonly eagerBytes: number;
}

export interface World {
  readonly budget: MemoryBudget;
  readonly clock: FakeClock;
  /** Whether the budget was spent, or asked for room, since the step began. */
  readonly isPressed: () => boolean;
  readonly onPush: (bytes: number) => void;
  /** Whether a producer may push from within a callback once more. */
  readonly mayPushWithin: () => boolean;
}

export interface Attached {
  readonly of: ModelledMultiplexer;
  readonly subscriber: Subscriber<object>;
  readonly place: Place;
  /** Where the head was at the last `empty` read, if `onReadable` was not called since. */
  emptyAt: number | undefined;
}

export class ModelledMultiplexer {
  readonly real: Multiplexer<object>;
  readonly model: ReferenceModel;
  readonly #settings: Settings;
  readonly #world: World;
  readonly #end = { end: "of the process" };
  /** By who read them and has not taken them, gone or not: these must stay as they are. */
  readonly #inUse = new Map<Place, Chunk[]>();
  /** Their first readers' object, by offset, while nothing can have changed it. */
  readonly #sharedChunks = new Map<number, Chunk>();
  readonly #dueCuts = new Set<Place>();
  /** As last told. */
  #gate = false;
  #full = false;
  #wasUsed = false;
  #hasForkedInside = false;
  #mayHaveRuns = false;
  #isReleased = false;
  /** What the push that shut the gate, and those after it, may hold beyond the bounds. */
  #excessBytes = 0;
  #oldest = 0;
  /** Since when the gate is shut while somebody waits. */
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
    return this.#isReleased;
  }

  push(stream: OutputStream, bytes: number): void {
    const expected = outputAt(stream, this.model.head, bytes);
    // Short data stays the caller's, who overwrites it; long data is the window's, which gives its buffer back.
    const data = takeBuffer(bytes).subarray(0, bytes);
    expected.copy(data);
    if (this.model.ended) {
      assert.throws(() => this.real.push(stream, data), /after the end/);
      return;
    }
    if (this.#gate) this.#excessBytes = 0;
    const cost = bytes + CHUNK_OVERHEAD_BYTES;
    this.#excessBytes += cost;
    this.#world.onPush(cost);
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
    this.model.mayDropReplay(this.#world.isPressed());
    const modelled = this.model.fork(from, isObserver, this.real.oldest, this.#world.clock.nowMs());
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
    const { oldest } = this.real;
    const read = subscriber.read();
    assert.equal(read.kind, this.model.due(place, oldest));
    place.sleeps = read.kind === "empty";
    if (read.kind === "empty") {
      attached.emptyAt = this.model.head;
      place.waits = true;
      this.#watch();
    }
    if (read.kind === "end") assert.equal(read.end, this.#end);
    if (read.kind === "chunk") this.#advance(place, read.chunk);
    if (read.kind === "gap") {
      assert.deepEqual([read.from, read.to], [place.readTo, oldest], "the gap");
      assert.ok(place.isObserver || place.readTo === place.start, "a gap for one that is waited for");
      place.readTo = oldest;
    }
    return read.kind;
  }

  delivered(attached: Attached): void {
    const moves = attached.place.deliveredTo !== attached.place.readTo;
    this.model.deliver(attached.place, this.#world.clock.nowMs());
    // As whoever writes them: they are looked at until then.
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
    const was = this.model.places.delete(attached.place);
    attached.subscriber.detach();
    if (was) this.#changed();
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

  /** For one that has ended, as its owner would. */
  release(): void {
    if (!this.model.ended) return;
    this.#isReleased = true;
    this.real.release();
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
        assert.equal(this.model.due(place, this.real.oldest), "empty", "sleeps, with more there");
    }
    // A mode that reads on while nobody is attached begins with the first call.
    if (!this.#wasUsed) return;
    this.real.checkInvariants();
    this.#checkGate();
  }

  checkContent(): void {
    for (const chunks of this.#inUse.values()) for (const chunk of chunks) assertContent(chunk);
  }

  #advance(place: Place, chunk: Chunk): void {
    assert.equal(chunk.offset, place.readTo, "output out of order");
    assertContent(chunk);
    this.#checkShared(chunk);
    this.#inUse.set(place, [...(this.#inUse.get(place) ?? []), chunk]);
    place.readTo = chunkEnd(chunk);
    assert.ok(place.readTo <= this.model.head);
  }

  /** Without replay, and where nobody came to go on inside one, a chunk that is no piece of a run is the same object for all. */
  #checkShared(chunk: Chunk): void {
    if (this.#settings.replayBytes > 0 || this.#hasForkedInside) return;
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
    assert.notEqual(reading, this.#gate, "the gate was told twice");
    this.#gate = reading;
    this.#wasUsed = true;
    this.#updateFull();
    if (reading && this.#settings.eagerBytes > 0 && this.#world.mayPushWithin())
      this.push("stdout", this.#settings.eagerBytes);
  }

  /** After each call that may change who needs what. */
  #changed(): void {
    this.#wasUsed = true;
    this.model.mayDropReplay(this.#world.isPressed());
    this.#updateFull();
    this.#watch();
  }

  #watch(): void {
    if (this.#gate || this.model.ended || !this.model.somebodyWaits) this.#heldUpSinceMs = undefined;
    else this.#heldUpSinceMs ??= this.#world.clock.nowMs();
  }

  #onStallTimer(onTime: () => void): void {
    for (const place of this.#stalled) {
      this.#dueCuts.add(place);
      this.model.places.delete(place);
    }
    this.#watchAfterCut(onTime);
    assert.equal(this.#dueCuts.size, 0, "a stalled subscriber was not cut");
  }

  #watchAfterCut(onTime: () => void): void {
    this.model.mayDropReplay(this.#world.isPressed());
    onTime();
    this.#changed();
  }

  /** Rule 7: who has had something before it and took nothing for STALL_MS, while another one waited. */
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

  /** What the slowest has before it; exact where there is no replay. */
  get #backlog(): { readonly least: number; readonly most: number } {
    const { kept, head } = this.model;
    const { oldest, heldBytes } = this.real;
    if (this.#settings.replayBytes === 0) return { least: heldBytes, most: heldBytes };
    return {
      least: head - Math.max(kept, oldest),
      most: Math.min(heldBytes, this.model.mostCost(Math.max(kept, oldest)) + KEEP_BY_REFERENCE_BYTES * 2),
    };
  }

  #updateFull(): void {
    const { windowBytes } = this.#settings;
    const { least, most } = this.#backlog;
    if (least !== most) return;
    const isPaced = this.model.blocking.length > 0;
    this.#full = isPaced && (this.#full ? least > windowBytes / 2 : least >= windowBytes);
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
    if (this.model.ended) return !reading;
    if (this.model.places.size > 0) {
      const isPaced = this.model.blocking.length > 0;
      const mayBeFull = least === most ? this.#full : isPaced && most > windowBytes / 2;
      const mustBeFull = least === most ? this.#full : isPaced && least >= windowBytes;
      if (reading) return !mustBeFull && !(isSpent && least >= SPENT_BACKLOG_BYTES);
      return mayBeFull || (isSpent && most >= SPENT_BACKLOG_BYTES);
    }
    if (detached.kind === "block" || isSpent) return !reading;
    if (detached.kind === "ring") return reading;
    const undelivered = this.model.head - this.model.delivered;
    const costsTooMuch = mostHeldFor(detached.bytes);
    if (reading) return undelivered < detached.bytes && least < costsTooMuch;
    return undelivered >= detached.bytes || most >= costsTooMuch;
  }

  #checkHeld(): void {
    const { model, real } = this;
    const { oldest, heldBytes } = real;
    // Another one's push may have asked for room.
    model.mayDropReplay(this.#world.isPressed());
    assert.ok(oldest >= this.#oldest, "what was let go of came back");
    this.#oldest = oldest;
    assert.ok(oldest <= model.droppableTo, `let go of up to ${oldest}, allowed ${model.droppableTo}`);
    const bytes = model.head - oldest;
    assert.ok(heldBytes >= bytes + (bytes > 0 ? CHUNK_OVERHEAD_BYTES : 0), "less counted than held");
    assert.ok(heldBytes <= model.mostCost(oldest), "more counted than held");
    this.#checkNothingUseless(oldest);
    assert.ok(heldBytes < this.#mostHeld + this.#excessBytes, `the bound: ${heldBytes} held`);
  }

  /** What is held oldest must reach into what is needed, or into replay; with the budget spent there is no replay. */
  #checkNothingUseless(oldest: number): void {
    const { kept, delivered } = this.model;
    const hasReplay = this.#isReleased || !this.#world.budget.isSpent;
    const due = hasReplay ? Math.min(kept, delivered - this.#settings.replayBytes) : kept;
    if (oldest < due)
      assert.ok(this.model.canBeJoined(oldest, due, this.#mayHaveRuns), `${oldest} held, due from ${due}`);
    const isSimple = this.#settings.replayBytes === 0 && !this.#hasForkedInside && !this.#mayHaveRuns;
    if (isSimple) assert.ok(oldest >= kept, `${oldest} held, due exactly from ${kept}`);
  }

  get #mostHeld(): number {
    const { windowBytes, replayBytes, detached } = this.#settings;
    const newest = Math.max(windowBytes, replayBytes, detached.kind === "buffer" ? detached.bytes : 0);
    return mostHeldFor(newest) + mostHeldFor(replayBytes);
  }
}

function assertContent({ stream, offset: at, data }: Chunk): void {
  assert.ok(data.equals(outputAt(stream, at, data.length)), `wrong bytes in ${stream} at ${at}`);
}
