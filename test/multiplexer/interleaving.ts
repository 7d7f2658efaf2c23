// Runs a list of steps against a real multiplexer and the reference model side by side, and throws at the first
// difference. Steps are plain data, so that what fast-check prints for a failure can be kept as a fixed case.

import assert from "node:assert/strict";
import {
  type Chunk,
  chunkEnd,
  KEEP_BY_REFERENCE_BYTES,
  Multiplexer,
  type OutputStream,
  type Subscriber,
} from "../../src/multiplexer/index.ts";
import { CHUNK_OVERHEAD_BYTES } from "../../src/multiplexer/output-window.ts";
import { outputAt, type Place, ReferenceModel } from "./reference-model.ts";

/** Which subscriber: one of all there ever were, counted round, or in `onReadable` the one that is called. */
export type Who = number | "self";

export type Step =
  | { readonly do: "push"; readonly stream: OutputStream; readonly bytes: number }
  /** `onReadable`: what the new subscriber does each time it is woken. */
  | { readonly do: "fork"; readonly onReadable: readonly Step[] }
  | { readonly do: "read"; readonly who: Who; readonly maxBytes: number }
  /** Reads until there is nothing, and so waits. */
  | { readonly do: "readAll"; readonly who: Who }
  | { readonly do: "taken"; readonly who: Who }
  | { readonly do: "detach"; readonly who: Who }
  | { readonly do: "finish" };

export function runInterleaving(windowBytes: number, steps: readonly Step[]): void {
  const run = new Interleaving(windowBytes);
  for (const step of steps) {
    run.take(step);
    run.check();
  }
  run.readOut();
}

interface Attached {
  readonly subscriber: Subscriber<object>;
  readonly place: Place;
  readonly onReadable: readonly Step[];
  /** Where the head was at the last `empty` read, if `onReadable` was not called since. */
  emptyAt: number | undefined;
  /** Its last read was `empty` and it was not called since. */
  sleeps: boolean;
}

class Interleaving {
  readonly #windowBytes: number;
  readonly #multiplexer: Multiplexer<object>;
  readonly #model = new ReferenceModel();
  readonly #end = { end: "of the process" };
  /** Everyone who was ever attached. */
  readonly #forks: Attached[] = [];
  readonly #pushEnds: number[] = [];
  /** By offset. What was read must be the same object, unchanged, for every later reader. */
  readonly #chunksRead = new Map<number, Chunk>();
  /** As last told. */
  #gate = false;
  #full = false;
  /** What the push that shut the gate, and those after it, may hold beyond the window. */
  #excessBytes = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
    this.#multiplexer = new Multiplexer({ windowBytes, onReading: (reading) => this.#onReading(reading) });
  }

  take(step: Step, self?: Attached): void {
    if (step.do === "push") this.#push(step.stream, step.bytes);
    else if (step.do === "fork") this.#fork(step.onReadable);
    else if (step.do === "finish") this.#finish();
    else {
      const who = step.who === "self" ? self : this.#forks[step.who % this.#forks.length];
      if (who === undefined) return;
      if (step.do === "detach") this.#detach(who);
      else if (!this.#model.places.has(who.place)) assert.throws(() => who.subscriber.read(1), /detached/);
      else if (step.do === "taken") this.#taken(who);
      else if (step.do === "read") this.#read(who, step.maxBytes);
      else while (this.#read(who, 8) === "chunks");
    }
    this.#checkGate();
  }

  /** To be called between steps, not from within a waking. */
  check(): void {
    this.#multiplexer.checkInvariants();
    this.#checkGate();
    this.#checkHeld();
    assert.equal(this.#multiplexer.head, this.#model.head);
    assert.equal(this.#multiplexer.subscriberCount, this.#model.places.size);
    for (const { place, sleeps } of this.#forks) {
      if (!sleeps || !this.#model.places.has(place)) continue;
      assert.equal(this.#model.due(place), "empty", "a subscriber sleeps though there is more");
    }
  }

  /** Ends the process and lets everyone, and one who comes late, read to the end; nothing is held then. */
  readOut(): void {
    this.take({ do: "finish" });
    this.take({ do: "fork", onReadable: [] });
    // By index: a waking during the finish may have forked; all of them are read out.
    for (let who = 0; who < this.#forks.length; who++) {
      this.take({ do: "readAll", who });
      this.take({ do: "taken", who });
      this.check();
    }
    assert.equal(this.#model.delivered, this.#model.head);
    assert.equal(this.#multiplexer.heldBytes, 0);
    for (const chunk of this.#chunksRead.values()) assertContent(chunk);
  }

  #push(stream: OutputStream, bytes: number): void {
    const expected = outputAt(stream, this.#model.head, bytes);
    // Short data stays the caller's, who overwrites it; long data is the window's.
    const data = bytes < KEEP_BY_REFERENCE_BYTES ? Buffer.from(expected) : expected;
    if (this.#model.ended) {
      assert.throws(() => this.#multiplexer.push(stream, data), /after the end/);
      return;
    }
    if (this.#gate) this.#excessBytes = 0;
    this.#excessBytes += bytes + CHUNK_OVERHEAD_BYTES;
    this.#model.push(bytes);
    this.#pushEnds.push(this.#model.head);
    this.#multiplexer.push(stream, data);
    if (data !== expected) data.fill(0xff);
  }

  #fork(onReadable: readonly Step[]): void {
    const place = this.#model.fork();
    const subscriber = this.#multiplexer.fork(() => this.#wake(attached));
    const attached: Attached = { subscriber, place, onReadable, emptyAt: undefined, sleeps: false };
    this.#forks.push(attached);
    assert.equal(subscriber.start, place.start, "where a fork begins");
  }

  #wake(attached: Attached): void {
    const { emptyAt, place } = attached;
    assert.ok(this.#model.places.has(place), "a detached subscriber was woken");
    assert.ok(emptyAt !== undefined, "a subscriber was woken that does not wait");
    assert.ok(emptyAt < this.#model.head || this.#model.ended, "a subscriber was woken for nothing");
    attached.emptyAt = undefined;
    attached.sleeps = false;
    this.#checkGate();
    for (const step of attached.onReadable) this.take(step, attached);
  }

  #read(attached: Attached, maxBytes: number): "chunks" | "end" | "empty" {
    const { place, subscriber } = attached;
    const read = subscriber.read(maxBytes);
    assert.equal(read.kind, this.#model.due(place));
    attached.sleeps = read.kind === "empty";
    if (read.kind === "empty") attached.emptyAt = this.#model.head;
    if (read.kind === "end") assert.equal(read.end, this.#end);
    if (read.kind === "chunks") this.#advance(place, read.chunks, maxBytes);
    return read.kind;
  }

  #advance(place: Place, chunks: readonly Chunk[], maxBytes: number): void {
    const from = place.readTo;
    for (const chunk of chunks) {
      assert.equal(chunk.offset, place.readTo, "output out of order");
      assertContent(chunk);
      const before = this.#chunksRead.get(chunk.offset);
      assert.ok(before === undefined || before === chunk, "a chunk that was read has been replaced");
      this.#chunksRead.set(chunk.offset, chunk);
      place.readTo = chunkEnd(chunk);
    }
    assert.ok(place.readTo <= this.#model.head);
    assert.ok(chunks.length === 1 || place.readTo - from <= maxBytes, "more was read than asked for");
  }

  #taken(attached: Attached): void {
    this.#model.taken(attached.place);
    attached.subscriber.taken();
  }

  /** Also of one that is gone: a second detach does nothing. */
  #detach(attached: Attached): void {
    this.#model.places.delete(attached.place);
    attached.subscriber.detach();
  }

  #finish(): void {
    if (this.#model.ended) {
      assert.throws(() => this.#multiplexer.finish({}), /set already/);
    } else {
      this.#model.ended = true;
      this.#multiplexer.finish(this.#end);
    }
    assert.equal(this.#multiplexer.end, this.#end);
  }

  #onReading(reading: boolean): void {
    assert.notEqual(reading, this.#gate, "the gate was told twice");
    this.#gate = reading;
  }

  /** Right after any call and at the start of any waking: nothing happened since the multiplexer last decided. */
  #checkGate(): void {
    const held = this.#multiplexer.heldBytes;
    this.#full = this.#full ? held > this.#windowBytes / 2 : held >= this.#windowBytes;
    const due = this.#model.places.size > 0 && !this.#full && !this.#model.ended;
    assert.equal(this.#gate, due, "the gate");
    assert.equal(this.#multiplexer.reading, due);
  }

  #checkHeld(): void {
    const { head, heldFrom } = this.#model;
    const held = this.#multiplexer.heldBytes;
    const chunksAtMost = this.#pushEnds.filter((end) => end > heldFrom).length;
    const chunksAtLeast = head > heldFrom ? 1 : 0;
    assert.ok(held >= head - heldFrom + chunksAtLeast * CHUNK_OVERHEAD_BYTES, "something due is not held");
    assert.ok(held <= head - heldFrom + chunksAtMost * CHUNK_OVERHEAD_BYTES, "something not due is held");
    assert.ok(held < this.#windowBytes + this.#excessBytes, `the bound: ${held} held`);
  }
}

function assertContent({ stream, offset, data }: Chunk): void {
  assert.ok(data.equals(outputAt(stream, offset, data.length)), `wrong bytes in ${stream} at ${offset}`);
}
