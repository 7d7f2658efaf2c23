// When garbage is collected, and when memory is short (rule 14). Resident memory is random, so this memory is a number; the
// attack of test/chaos/hostile-clients.test.ts is real.

import { describe, expect, test } from "vitest";
import {
  CRITICAL_BYTES,
  LEAST_SHORT_MS,
  type Memory,
  type MemoryState,
  MemoryWatch,
  MOST_SHORT_MS,
  RELIEVED_BYTES,
  SCARCE_FACTOR,
  SHORT_BYTES,
  URGENT_BYTES,
  WATCHED_BYTES,
} from "../../../src/rpc/memory/memory-watch.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const COLLECTION_MS = 50;
const MB = 1_000_000;

/** Memory of `beyond` bytes, of which a collection frees `garbage`, in COLLECTION_MS. */
class FakeMemory implements Memory {
  readonly clock = new FakeClock();
  readonly calls: string[] = [];
  readonly states: MemoryState[] = [];
  readonly watch: MemoryWatch;
  beyond = 0;
  garbage = 0;
  fresh = 0;
  isWorth = false;
  buffers = false;

  constructor() {
    const onState = (state: MemoryState) => void this.states.push(state);
    this.watch = new MemoryWatch(this, { onLook: () => undefined, onState }, this.clock);
  }

  beyondBytes = () => this.beyond;
  newBytes = () => this.fresh;
  isWorthCollecting = () => this.isWorth;
  areBuffersWorthCollecting = () => this.buffers;
  collectNew = () => void this.calls.push("new");
  returnUnused = () => void this.calls.push("unused");
  collectAll = () => {
    this.calls.push("all");
    this.clock.advance(COLLECTION_MS);
    this.beyond -= this.garbage;
    this.garbage = 0;
    this.isWorth = false;
  };

  waitUntilScarce(): void {
    while (this.states.at(-1) === "short") {
      this.watch.look();
      this.clock.advance(10);
    }
  }

  /** By two collections that free nothing. */
  becomeShort(): void {
    this.isWorth = true;
    this.watch.look();
    this.clock.advance(500);
    expect(this.states.at(-1)).toBe("short");
  }

  /** The collections in the next `ms`, with so much garbage each time. */
  collections(ms: number, garbage: number): number {
    const untilMs = this.clock.nowMs() + ms;
    this.calls.length = 0;
    while (this.clock.nowMs() < untilMs) {
      if (garbage > 0 && this.garbage === 0) {
        this.garbage = garbage;
        this.beyond += garbage;
        this.isWorth = true;
      }
      this.clock.advance(1);
    }
    return this.calls.filter((call) => call === "all").length;
  }
}

/** One that is short. */
function shortOf(beyond: number): FakeMemory {
  const memory = watched(beyond);
  memory.isWorth = true;
  memory.clock.advance(500);
  return memory;
}

/** One that is watched. */
function watched(beyond: number): FakeMemory {
  const memory = new FakeMemory();
  memory.beyond = beyond;
  memory.watch.look();
  return memory;
}

test("memory that is not much is not collected, and not looked at again", () => {
  const memory = new FakeMemory();
  memory.beyond = WATCHED_BYTES - 1;
  memory.isWorth = true;
  expect(memory.watch.look()).toBe(false);
  expect([memory.calls, memory.clock.pendingMs]).toEqual([[], []]);
});

test("collections take a fifth of the time, half of it when it is urgent, and all of it when it is critical", () => {
  const seldom = watched(WATCHED_BYTES).collections(5_000, MB);
  expect(seldom).toBeGreaterThan(5_000 / (6 * COLLECTION_MS));
  expect(seldom).toBeLessThanOrEqual(5_000 / (5 * COLLECTION_MS));
  const urgent = watched(URGENT_BYTES).collections(5_000, MB);
  expect(urgent).toBeGreaterThan(5_000 / (3 * COLLECTION_MS));
  expect(urgent).toBeLessThanOrEqual(5_000 / (2 * COLLECTION_MS));
  expect(watched(CRITICAL_BYTES).collections(5_000, MB)).toBeGreaterThan(5_000 / (2 * COLLECTION_MS));
});

test("urgent: gaps and code are returned at each look, and buffers are collected apart", () => {
  const memory = watched(URGENT_BYTES);
  memory.calls.length = 0;
  memory.buffers = true;
  memory.watch.look();
  expect(memory.calls).toEqual(["unused", "new"]);
});

test("the watch ends when nothing is new, and the next look begins it again", () => {
  const memory = watched(URGENT_BYTES);
  memory.clock.advance(10_000);
  expect(memory.clock.pendingMs).toEqual([]);
  memory.watch.look();
  expect(memory.clock.pendingMs).not.toEqual([]);
});

describe("memory is short", () => {
  test("from two collections that leave much, until there is less", () => {
    const memory = watched(SHORT_BYTES + MB);
    expect(memory.states).toEqual([]);
    memory.isWorth = true;
    memory.watch.look();
    // V8 frees buffers some time after a collection.
    expect(memory.states).toEqual([]);
    expect(memory.collections(500, 0)).toBeGreaterThanOrEqual(1);
    expect(memory.states).toEqual(["short"]);
    memory.beyond = RELIEVED_BYTES;
    memory.watch.look();
    expect(memory.states).toEqual(["short"]);
    memory.beyond = RELIEVED_BYTES - 1;
    memory.watch.look();
    expect(memory.states).toEqual(["short", "scarce"]);
  });

  test("for a second, although as much is left: what is held may only leave when more is accepted", () => {
    const memory = shortOf(SHORT_BYTES + MB);
    memory.clock.advance(LEAST_SHORT_MS - 500);
    expect(memory.states).toEqual(["short"]);
    memory.clock.advance(500);
    memory.watch.look();
    expect(memory.states).toEqual(["short", "scarce"]);
  });

  test("for twice as long each time that it was scarce before, and for a second after a time with enough", () => {
    const memory = shortOf(SHORT_BYTES);
    const took: number[] = [];
    for (let round = 0; round < 6; round++) {
      const fromMs = memory.clock.nowMs();
      memory.waitUntilScarce();
      took.push(Math.ceil((memory.clock.nowMs() - fromMs) / 1000));
      memory.becomeShort();
    }
    expect(took).toEqual([1, 2, 4, 8, 8, 8]);
    memory.beyond = 0;
    memory.watch.look();
    memory.clock.advance(SCARCE_FACTOR * MOST_SHORT_MS - 1);
    expect(memory.states.at(-1)).toBe("scarce");
    memory.clock.advance(1);
    expect(memory.states.at(-1)).toBe("enough");
  });

  test("not because of a large message that was in use at one collection", () => {
    const memory = watched(SHORT_BYTES + MB);
    memory.isWorth = true;
    memory.watch.look();
    memory.garbage = 40 * MB;
    expect(memory.collections(2_000, 0)).toBeGreaterThanOrEqual(1);
    expect([memory.garbage, memory.states]).toEqual([0, []]);
  });

  test("never because of garbage", () => {
    const memory = new FakeMemory();
    memory.beyond = SHORT_BYTES + 50 * MB;
    memory.garbage = 51 * MB;
    expect(memory.watch.look()).toBe(true);
    expect(memory.states).toEqual([]);
  });

  test("and nobody uses it any more: it is collected now and then, and after a quiet time nothing wakes up", () => {
    const memory = shortOf(SHORT_BYTES);
    // For the longest time.
    for (let ms = LEAST_SHORT_MS; ms < MOST_SHORT_MS; ms *= 2) {
      memory.waitUntilScarce();
      memory.becomeShort();
    }
    memory.states.length = 0;
    expect(memory.collections(10_000, 0)).toBeGreaterThan(1);
    memory.clock.advance(SCARCE_FACTOR * MOST_SHORT_MS);
    expect([memory.states, memory.clock.pendingMs]).toEqual([["scarce", "enough"], []]);
  });

  test("again, not because of one collection before a quiet time and one after it", () => {
    const memory = watched(SHORT_BYTES);
    memory.isWorth = true;
    memory.watch.look();
    memory.beyond = WATCHED_BYTES - 1;
    memory.watch.look();
    memory.beyond = SHORT_BYTES;
    memory.isWorth = true;
    memory.watch.look();
    memory.beyond = WATCHED_BYTES;
    memory.clock.advance(500);
    expect(memory.states).toEqual([]);
  });

  test("and is used again after a quiet time: it is looked at soon again", () => {
    const memory = shortOf(SHORT_BYTES);
    memory.clock.advance(3_000);
    expect(memory.clock.pendingMs[0]).toBeGreaterThan(100);
    memory.isWorth = true;
    memory.watch.look();
    expect(memory.clock.pendingMs[0]).toBeLessThan(100);
  });
});

test("critical: what was in use may be garbage, so it is tried, and less often while that frees nothing", () => {
  const memory = watched(CRITICAL_BYTES);
  expect(memory.calls).toContain("all");
  const early = memory.collections(10_000, 0);
  expect(early).toBeGreaterThanOrEqual(2);
  expect(memory.collections(10_000, 0)).toBeLessThan(early);
  memory.garbage = 10 * MB;
  memory.beyond += 10 * MB;
  memory.clock.advance(60_000);
  memory.watch.look();
  expect(memory.garbage).toBe(0);
});
