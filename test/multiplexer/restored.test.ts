// A multiplexer that was saved and restored is the same for every subscriber. Random steps, with a
// restore at any of them.

import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  MemoryBudget,
  Multiplexer,
  type MultiplexerOptions,
  offset,
  type Subscriber,
} from "../../src/multiplexer/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { throughStateFile } from "../support/through-state-file.ts";
import { volume } from "../support/volume.ts";

type End = { readonly status: string };

type Step =
  | { readonly do: "push"; readonly stream: "stdout" | "stderr"; readonly bytes: number }
  | { readonly do: "fork"; readonly isObserver: boolean; readonly part: number | undefined }
  | { readonly do: "read" | "delivered" | "detach"; readonly who: number }
  | { readonly do: "restore"; readonly carries: boolean };

const bytes = fc.oneof(
  fc.integer({ min: 1, max: 8 }),
  fc.integer({ min: 1, max: 900 }),
  fc.integer({ min: 30_000, max: 70_000 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("push" as const),
      stream: fc.constantFrom("stdout" as const, "stderr" as const),
      bytes,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fork" as const),
      isObserver: fc.boolean(),
      part: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("read" as const, "delivered" as const, "detach" as const),
      who: fc.nat(7),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("restore" as const), carries: fc.boolean() }) },
);

const settings = fc.record({
  windowBytes: fc.constant(1 << 16),
  replayBytes: fc.constantFrom(0, 5_000, 1 << 18),
  detached: fc.constantFrom(
    { kind: "block" as const },
    { kind: "buffer" as const, bytes: 1 << 17 },
    { kind: "ring" as const },
  ),
});

/** The byte at each offset, and the mark before it. */
const byteAt = (at: number) => (at * 31 + (at >> 8)) & 255;

class World {
  readonly #settings: Pick<MultiplexerOptions, "windowBytes" | "replayBytes" | "detached">;
  readonly #clock = new FakeClock();
  #wallMs = 0;
  #budget = new MemoryBudget(1 << 26);
  #real: Multiplexer<End>;
  #subscribers: { readonly subscriber: Subscriber<End>; readonly isObserver: boolean }[] = [];
  /** By the end of each piece. */
  readonly #streams: { readonly end: number; readonly stream: string }[] = [];
  #isReading = false;

  constructor(given: Pick<MultiplexerOptions, "windowBytes" | "replayBytes" | "detached">) {
    this.#settings = given;
    this.#real = this.#create(undefined);
  }

  #create(saved: ReturnType<Multiplexer<End>["save"]> | undefined): Multiplexer<End> {
    return new Multiplexer<End>(
      {
        ...this.#settings,
        budget: this.#budget,
        stallMs: 1000,
        clock: this.#clock,
        wallMs: () => this.#wallMs++,
        onReading: (isReading) => {
          this.#isReading = isReading;
        },
      },
      saved,
    );
  }

  take(step: Step): void {
    if (step.do === "push") this.#push(step.stream, step.bytes);
    else if (step.do === "fork") this.#fork(step.part, step.isObserver);
    else if (step.do === "restore") this.#restore(step.carries);
    else {
      const one = this.#subscribers[step.who % Math.max(1, this.#subscribers.length)];
      if (one === undefined) return;
      if (step.do === "read") this.#read(one.subscriber);
      else if (step.do === "delivered") one.subscriber.delivered();
      else {
        one.subscriber.detach();
        this.#subscribers = this.#subscribers.filter((other) => other !== one);
      }
    }
    this.#real.checkInvariants();
    assert.equal(this.#isReading, this.#real.isReading);
  }

  #push(stream: "stdout" | "stderr", length: number): void {
    const from = this.#real.head;
    const data = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; at++) data[at] = byteAt(from + at);
    this.#streams.push({ end: from + length, stream });
    this.#real.push(stream, data, { before: from });
  }

  #fork(part: number | undefined, isObserver: boolean): void {
    const from = part === undefined ? undefined : offset(Math.floor((this.#real.head * part) / 1000));
    const subscriber = this.#real.fork({ from, isObserver, onReadable: () => undefined });
    this.#subscribers.push({ subscriber, isObserver });
  }

  /** The bytes that are read are those that were pushed. */
  #read(subscriber: Subscriber<End>): boolean {
    const read = subscriber.read();
    if (read.kind !== "chunk") return read.kind === "gap";
    const { offset: from, data, stream } = read.chunk;
    for (let at = 0; at < data.length; at++) assert.equal(data[at], byteAt(from + at));
    const piece = this.#streams.find(({ end }) => end > from);
    assert.equal(stream, piece?.stream);
    return true;
  }

  #restore(carries: boolean): void {
    const before = this.#shown();
    const saved = throughStateFile(this.#real.save());
    assert.deepEqual(this.#shown(), before, "saving changes nothing");
    const places = this.#subscribers.map(({ subscriber, isObserver }) => {
      const { deliveredTo, readTo } = subscriber;
      return { deliveredTo, readTo, isObserver };
    });
    this.#isReading = false;
    this.#budget = new MemoryBudget(1 << 26);
    this.#real = this.#create(saved);
    this.#subscribers = [];
    if (carries)
      for (const { deliveredTo: from, readTo, isObserver } of places) {
        const subscriber = this.#real.fork({ from, readTo, isObserver, onReadable: () => undefined });
        assert.equal(subscriber.readTo, readTo);
        this.#subscribers.push({ subscriber, isObserver });
      }
    assert.equal(this.#isReading, false, "nothing is read before goOn");
    this.#real.goOn();
    const after = this.#shown();
    assert.deepEqual(after, before, "the restored one is the same");
    assert.equal(this.#budget.heldBytes, this.#real.memoryBytes);
    this.#readAll();
  }

  #shown() {
    const { oldest, head, heldBytes, sentTo, attachOffset, pauseCount, stallCount } = this.#real;
    const times = this.#real.timesOf(oldest, head);
    const marks = [oldest, offset(Math.floor((oldest + head) / 2))].map((at) => {
      const marked = this.#real.markBefore(at);
      return marked && { offset: marked.offset, mark: marked.mark, before: marked.before.length };
    });
    return { oldest, head, heldBytes, sentTo, attachOffset, pauseCount, stallCount, times, marks };
  }

  /** Everything that is held has the right bytes, streams and order. */
  #readAll(): void {
    const observer = this.#real.fork({ from: offset(0), isObserver: true, onReadable: () => undefined });
    while (this.#read(observer));
    assert.equal(observer.readTo, this.#real.head);
    observer.detach();
  }
}

test("after any steps, a restored multiplexer holds the same and continues", () => {
  fc.assert(
    fc.property(settings, fc.array(step, { minLength: 5, maxLength: 80 }), (given, steps) => {
      const world = new World(given);
      for (const one of steps) world.take(one);
      world.take({ do: "restore", carries: true });
      world.take({ do: "restore", carries: false });
    }),
    { numRuns: volume(150, 2000) },
  );
});

test("the end, and a release before the last client has read, are restored", () => {
  const budget = new MemoryBudget(1 << 20);
  const options = {
    ...{ windowBytes: 1 << 16, replayBytes: 1000, detached: { kind: "block" as const }, stallMs: 1000 },
    ...{ clock: new FakeClock(), onReading: () => undefined },
  };
  const first = new Multiplexer<End>({ ...options, budget });
  const client = first.fork({ onReadable: () => undefined });
  first.push("stdout", Buffer.from("the rest"));
  first.finish({ status: "exit status 3" });
  first.release();
  const second = new Multiplexer<End>(
    { ...options, budget: new MemoryBudget(1 << 20) },
    throughStateFile(first.save()),
  );
  const carried = second.fork({
    from: client.deliveredTo,
    readTo: client.readTo,
    onReadable: () => undefined,
  });
  second.goOn();
  const read = carried.read();
  expect(read.kind === "chunk" && read.chunk.data.toString()).toBe("the rest");
  expect(carried.read()).toEqual({ kind: "end", end: { status: "exit status 3" } });
  carried.delivered();
  carried.detach();
  expect(second.heldBytes).toBe(0);
});

test("a rehearsal restores without contents", () => {
  const budget = new MemoryBudget(1 << 20);
  const options = {
    ...{ windowBytes: 1 << 16, replayBytes: 1 << 16, detached: { kind: "ring" as const }, stallMs: 1000 },
    ...{ budget, clock: new FakeClock(), onReading: () => undefined },
  };
  const first = new Multiplexer<End>(options);
  for (let count = 0; count < 100; count++)
    first.push(count % 2 === 0 ? "stdout" : "stderr", Buffer.from("piece"));
  const second = new Multiplexer<End>(options, throughStateFile(first.save(), false));
  second.goOn();
  second.checkInvariants();
  expect(second.head).toBe(500);
});
