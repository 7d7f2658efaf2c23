// Rule 14: one bound over everything held. Replay is dropped first, then the output of ended processes;
// then detached processes wait, and attached clients continue.

import { describe, expect, test } from "vitest";
import { CHUNK_OVERHEAD_BYTES } from "../../src/multiplexer/chunk-queue.ts";
import { MemoryBudget, type MultiplexerOptions } from "../../src/multiplexer/index.ts";
import { CheckedMultiplexer } from "./checked-multiplexer.ts";

/** Bytes. So many that the shortest piece is kept in the buffer in which it came: the budget counts whole buffers. */
const UNIT = 40_000;

/** Text of which one chunk costs `bytes`. */
function costing(bytes: number): string {
  return "x".repeat(bytes - CHUNK_OVERHEAD_BYTES);
}

function under(budget: MemoryBudget, options: Partial<MultiplexerOptions> = {}): CheckedMultiplexer {
  const { clock: _clock, ...rest } = options;
  return new CheckedMultiplexer(100 * UNIT, { budget, ...rest });
}

/** A detached one in mode `buffer`. */
function buffering(budget: MemoryBudget, options: Partial<MultiplexerOptions> = {}): CheckedMultiplexer {
  const multiplexer = under(budget, { detached: { kind: "buffer", bytes: 1_000 * UNIT }, ...options });
  multiplexer.attach().detach();
  return multiplexer;
}

/** One that holds as much replay. */
function replaying(budget: MemoryBudget, bytes: number): CheckedMultiplexer {
  const multiplexer = under(budget, { replayBytes: 1_000 * UNIT });
  const client = multiplexer.attach();
  multiplexer.push(costing(bytes));
  client.takeAll();
  client.detach();
  return multiplexer;
}

describe("the sum", () => {
  test("is the memory of all windows, after any steps", () => {
    const budget = new MemoryBudget(1_000 * UNIT);
    const multiplexers = [under(budget), buffering(budget), replaying(budget, 5 * UNIT)];
    const sum = () => multiplexers.reduce((bytes, { raw }) => bytes + raw.memoryBytes, 0);
    expect(budget.heldBytes).toBe(5 * UNIT);
    for (const [index, multiplexer] of multiplexers.entries()) {
      multiplexer.push("x".repeat(1_000 * (index + 1)));
      expect(budget.heldBytes).toBe(sum());
      multiplexer.attach().takeAll();
      expect(budget.heldBytes).toBe(sum());
    }
  });

  test("counts the whole buffer of a chunk that fills a part of it", () => {
    const budget = new MemoryBudget(1_000 * UNIT);
    const multiplexer = under(budget);
    const pooled = 16 * 1024;
    multiplexer.push("x".repeat(pooled / 2 + 1));
    expect([multiplexer.raw.heldBytes, budget.heldBytes]).toEqual([
      pooled / 2 + 1 + CHUNK_OVERHEAD_BYTES,
      pooled + CHUNK_OVERHEAD_BYTES,
    ]);
    // Fills the rest.
    multiplexer.push("x".repeat(pooled / 2 - 1));
    expect([multiplexer.raw.heldBytes, budget.heldBytes]).toEqual([
      pooled + CHUNK_OVERHEAD_BYTES,
      pooled + CHUNK_OVERHEAD_BYTES,
    ]);
    multiplexer.attach().takeAll();
    expect(budget.heldBytes).toBe(0);
  });

  test("contains a forgotten multiplexer until its last subscriber has read what it needs", () => {
    const budget = new MemoryBudget(100 * UNIT);
    const multiplexer = under(budget);
    const client = multiplexer.attach();
    multiplexer.push(costing(50 * UNIT));
    multiplexer.finish();
    multiplexer.raw.release();
    expect(budget.heldBytes).toBe(50 * UNIT);
    expect(client.takeAll()).toHaveLength(50 * UNIT - CHUNK_OVERHEAD_BYTES);
    expect(budget.heldBytes).toBe(0);
    client.detach();
    multiplexer.raw.release();
    expect(budget.heldBytes).toBe(0);
  });

  test("loses a forgotten multiplexer at once when no subscriber is attached, or when its last one leaves", () => {
    const budget = new MemoryBudget(200 * UNIT);
    const [unread, left] = [under(budget), under(budget)];
    const client = left.attach();
    for (const multiplexer of [unread, left]) {
      multiplexer.push(costing(50 * UNIT));
      multiplexer.finish();
      multiplexer.raw.release();
    }
    expect([unread.raw.heldBytes, budget.heldBytes]).toEqual([0, 50 * UNIT]);
    client.detach();
    expect([left.raw.heldBytes, budget.heldBytes]).toEqual([0, 0]);
  });
});

describe("a spent budget", () => {
  test("is spent at the byte, and has room again when an eighth is free", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const multiplexers = [under(budget), under(budget), under(budget)];
    multiplexers[0]?.push(costing(69 * UNIT));
    multiplexers[1]?.push(costing(11 * UNIT - 1));
    expect(budget.isSpent).toBe(false);
    multiplexers[2]?.push(costing(1 * UNIT + 1));
    expect(budget.isSpent).toBe(true);
    multiplexers[2]?.attach().takeAll();
    expect([budget.heldBytes, budget.isSpent]).toEqual([80 * UNIT - 1, true]);
    multiplexers[1]?.attach().takeAll();
    expect([budget.heldBytes, budget.isSpent]).toEqual([69 * UNIT, false]);
  });

  test("stops all buffers at once, and they continue when there is room", () => {
    const budget = new MemoryBudget(100 * UNIT);
    const multiplexers = [buffering(budget), buffering(budget), buffering(budget)];
    multiplexers[1]?.push(costing(100 * UNIT));
    expect(multiplexers.map(({ gate }) => gate)).toEqual([
      [true, false],
      [true, false],
      [true, false],
    ]);
    const client = multiplexers[1]?.attach();
    client?.takeAll();
    client?.detach();
    expect(multiplexers.map(({ raw }) => raw.isReading)).toEqual([true, true, true]);
    for (const { raw } of multiplexers) raw.checkInvariants();
  });

  test("also stops rings, and their output stays", () => {
    const budget = new MemoryBudget(100 * UNIT);
    const ring = buffering(budget, { detached: { kind: "ring" }, replayBytes: 60 * UNIT });
    ring.push(costing(60 * UNIT));
    under(budget).push(costing(50 * UNIT));
    expect(ring.gate).toEqual([true, false]);
    expect(ring.raw.heldBytes).toBe(60 * UNIT);
  });

  test("lets attached clients continue, one read at a time", () => {
    const budget = new MemoryBudget(100 * UNIT);
    under(budget).push(costing(100 * UNIT));
    const multiplexer = under(budget);
    const client = multiplexer.attach();
    for (let times = 1; times <= 3; times++) {
      expect(multiplexer.raw.isReading).toBe(true);
      multiplexer.push("x".repeat(64 * 1024 - CHUNK_OVERHEAD_BYTES));
      expect(multiplexer.raw.isReading).toBe(false);
      expect(client.takeAll()).toHaveLength(64 * 1024 - CHUNK_OVERHEAD_BYTES);
    }
    expect(budget.isSpent).toBe(true);
  });

  test("holds no replay of a client that continues", () => {
    const budget = new MemoryBudget(100 * UNIT);
    under(budget).push(costing(100 * UNIT));
    const multiplexer = under(budget, { replayBytes: 50 * UNIT });
    const client = multiplexer.attach();
    multiplexer.push("delivered");
    client.takeAll();
    expect(multiplexer.raw.heldBytes).toBe(0);
  });

  test("that stops a detached process stops it with an observer also", () => {
    const budget = new MemoryBudget(100 * UNIT);
    under(budget).push(costing(100 * UNIT));
    const multiplexer = buffering(budget);
    const observer = multiplexer.attachTo({ isObserver: true });
    multiplexer.push("x".repeat(64 * 1024));
    expect(observer.takeAll()).toHaveLength(64 * 1024);
    expect(multiplexer.raw.isReading).toBe(false);
    observer.detach();
    expect(multiplexer.attach().takeAll()).toHaveLength(64 * 1024);
  });

  test("keeps a new process in mode buffer from reading while detached, from the first byte", () => {
    const budget = new MemoryBudget(100 * UNIT);
    under(budget).push(costing(100 * UNIT));
    const multiplexer = buffering(budget);
    expect(multiplexer.gate).toEqual([true, false]);
  });

  test("has room when a forgotten process has no subscriber any more", () => {
    const budget = new MemoryBudget(100 * UNIT);
    const ended = under(budget);
    const client = ended.attach();
    ended.push(costing(100 * UNIT));
    ended.finish();
    ended.raw.release();
    const multiplexer = buffering(budget);
    expect(multiplexer.raw.isReading).toBe(false);
    client.detach();
    expect(multiplexer.raw.isReading).toBe(true);
  });

  test("drops the output of ended processes, the first to start first, and then is not spent", () => {
    const budget = new MemoryBudget(100 * UNIT);
    const ended = [under(budget), under(budget)];
    for (const multiplexer of ended) {
      for (let piece = 0; piece < 4; piece++)
        multiplexer.push("x".repeat(10 * UNIT), piece % 2 ? "stdout" : "stderr");
      multiplexer.finish();
    }
    const running = buffering(budget);
    running.push(costing(30 * UNIT));
    expect([budget.isSpent, running.raw.isReading]).toEqual([false, true]);
    expect(ended[0]?.attach().read()).toBe(`(gap 0..${30 * UNIT})`);
    expect(ended[1]?.attach().takeAll()).toHaveLength(40 * UNIT);
  });

  test("keeps the output of an ended process that an attached client still needs", () => {
    const budget = new MemoryBudget(100 * UNIT);
    const ended = under(budget);
    const client = ended.attach();
    ended.push(costing(60 * UNIT));
    ended.finish();
    under(budget).push(costing(60 * UNIT));
    expect(budget.isSpent).toBe(true);
    expect(client.takeAll()).toHaveLength(60 * UNIT - CHUNK_OVERHEAD_BYTES);
  });

  test("has room for the others when delivered output becomes replay", () => {
    const budget = new MemoryBudget(100 * UNIT);
    const waiting = buffering(budget);
    const multiplexer = under(budget, { replayBytes: 1_000 * UNIT });
    const client = multiplexer.attach();
    multiplexer.push(costing(100 * UNIT));
    expect(waiting.raw.isReading).toBe(false);
    client.takeAll();
    expect(budget.heldBytes).toBe(0);
    expect(waiting.raw.isReading).toBe(true);
  });

  test("informs all members, although one of them uses the room at once", () => {
    const budget = new MemoryBudget(100 * UNIT);
    let greedyPushes = 0;
    const greedy = buffering(budget, {
      onReading: (reading) => {
        if (reading && greedyPushes-- > 0) greedy.raw.push("stdout", Buffer.alloc(100 * UNIT));
      },
    });
    const multiplexers = [buffering(budget), greedy, buffering(budget)];
    const full = under(budget);
    full.push(costing(100 * UNIT));
    greedyPushes = 1;
    full.attach().takeAll();
    expect(budget.isSpent).toBe(true);
    expect(multiplexers.map(({ raw }) => raw.isReading)).toEqual([false, false, false]);
    for (const { raw } of multiplexers) raw.checkInvariants();
    greedy.attach().takeAll();
    expect(multiplexers.map(({ raw }) => raw.isReading)).toEqual([true, true, true]);
  });
});

describe("replay", () => {
  test("is dropped before any process must wait, the oldest process's first, until an eighth is free", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const multiplexers = [
      replaying(budget, 10 * UNIT),
      replaying(budget, 10 * UNIT),
      replaying(budget, 10 * UNIT),
    ];
    const waiting = buffering(budget);
    waiting.push(costing(55 * UNIT));
    expect(multiplexers.map(({ raw }) => raw.heldBytes)).toEqual([0, 0, 10 * UNIT]);
    expect([budget.heldBytes, budget.isSpent]).toEqual([65 * UNIT, false]);
    expect(waiting.gate).toEqual([true]);
  });

  test("that an attached client still reads stays", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const multiplexer = replaying(budget, 20 * UNIT);
    const client = multiplexer.attachTo({ from: 0 });
    under(budget).push(costing(70 * UNIT));
    expect(budget.isSpent).toBe(true);
    expect(client.takeAll()).toHaveLength(20 * UNIT - CHUNK_OVERHEAD_BYTES);
    expect([budget.heldBytes, budget.isSpent]).toEqual([70 * UNIT, false]);
  });

  test("that an observer reads becomes a gap for it", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const multiplexer = replaying(budget, 20 * UNIT);
    const observer = multiplexer.attachTo({ isObserver: true, from: 5 });
    under(budget).push(costing(70 * UNIT));
    expect(observer.read()).toBe(`(gap 5..${20 * UNIT - CHUNK_OVERHEAD_BYTES})`);
  });

  test("of very many short pieces is dropped as well", () => {
    const budget = new MemoryBudget(20_000_000);
    const multiplexer = new CheckedMultiplexer(20_000_000, { budget, replayBytes: 10_000_000 });
    const client = multiplexer.attach();
    for (let piece = 0; piece < 30_000; piece++)
      multiplexer.raw.push(piece % 2 ? "stdout" : "stderr", Buffer.from("x"));
    client.takeAll();
    under(budget).push(costing(10_000_000));
    expect(budget.heldBytes).toBeLessThanOrEqual(17_500_000);
    expect(budget.isSpent).toBe(false);
  });

  test("of a forgotten process is dropped although an observer reads it", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const multiplexer = replaying(budget, 20 * UNIT);
    const observer = multiplexer.attachTo({ isObserver: true, from: 0 });
    multiplexer.finish();
    multiplexer.raw.release();
    expect(multiplexer.raw.heldBytes).toBe(20 * UNIT);
    under(budget).push(costing(90 * UNIT));
    expect(observer.read()).toBe(`(gap 0..${20 * UNIT - CHUNK_OVERHEAD_BYTES})`);
  });
});

describe("a reservation", () => {
  test("counts until it is released, and is refused when there is no room", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const reservation = budget.reserve(60 * UNIT);
    expect([budget.heldBytes, budget.isSpent]).toEqual([60 * UNIT, false]);
    expect(budget.reserve(11 * UNIT)).toBeUndefined();
    expect(reservation?.resize(71 * UNIT)).toBe(false);
    expect(reservation?.resize(70 * UNIT)).toBe(true);
    reservation?.release();
    reservation?.release();
    expect(budget.heldBytes).toBe(0);
  });

  test("drops replay and the output of ended processes for its room", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const replay = replaying(budget, 20 * UNIT);
    const ended = under(budget);
    ended.push(costing(20 * UNIT));
    ended.finish();
    expect(budget.reserve(60 * UNIT)).toBeDefined();
    expect([replay.raw.heldBytes, ended.raw.heldBytes]).toEqual([0, 0]);
  });

  test("does not drop what a running process holds for its next client", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const multiplexer = under(budget);
    multiplexer.push(costing(30 * UNIT));
    expect(budget.reserve(60 * UNIT)).toBeUndefined();
    expect(multiplexer.raw.heldBytes).toBe(30 * UNIT);
  });
});

describe("sixty processes that write without end, detached", () => {
  const READ = 64 * 1024;
  const BUDGET = 4_000 * UNIT;

  test.each<[string, Partial<MultiplexerOptions>]>([
    ["block", {}],
    ["buffer", { detached: { kind: "buffer", bytes: 1_000 * UNIT } }],
    ["ring", { detached: { kind: "ring" }, replayBytes: 300 * UNIT }],
  ])(
    "in mode %s stay within the budget and the read that spent it, and each can continue",
    (_mode, options) => {
      const budget = new MemoryBudget(BUDGET);
      const multiplexers = Array.from({ length: 60 }, () => under(budget, options));
      for (const multiplexer of multiplexers) multiplexer.attach().detach();
      for (let times = 0; times < 40; times++)
        for (const { raw } of multiplexers) if (raw.isReading) raw.push("stdout", Buffer.alloc(READ));
      expect(budget.heldBytes).toBeLessThan(BUDGET + READ + CHUNK_OVERHEAD_BYTES);
      for (const multiplexer of multiplexers) {
        const client = multiplexer.attach();
        for (let times = 0; times < 20; times++) {
          client.takeAll();
          expect(multiplexer.raw.isReading).toBe(true);
          multiplexer.raw.push("stdout", Buffer.alloc(READ));
        }
        client.takeAll();
      }
      expect(budget.heldBytes).toBeLessThan(BUDGET);
    },
  );
});

describe("a budget of which a part can be used", () => {
  test("is spent, refuses reservations and drops nothing. Afterwards it has room again", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const reading = buffering(budget);
    const replay = replaying(budget, 20 * UNIT);
    const reservation = budget.reserve(UNIT);
    budget.setUsablePart(1 / 4);
    expect([budget.isSpent, reading.gate]).toEqual([true, [true, false]]);
    expect(budget.reserve(1)).toBeUndefined();
    expect(reservation?.resize(UNIT + 1)).toBe(false);
    expect(reservation?.resize(UNIT - 1)).toBe(true);
    expect(budget.reserveSmallInput(1)).toBeDefined();
    expect(replay.raw.heldBytes).toBe(20 * UNIT);
    budget.setUsablePart(1);
    expect([budget.isSpent, reading.gate]).toEqual([false, [true, false, true]]);
    expect(budget.reserve(UNIT)).toBeDefined();
  });

  test("is spent beyond that part, and until an eighth of it is free", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const reading = buffering(budget);
    const reservation = budget.reserve(UNIT);
    budget.setUsablePart(1 / 4);
    expect([budget.isSpent, reading.gate]).toEqual([false, [true]]);
    expect(reservation?.resize(17 * UNIT)).toBe(true);
    expect(budget.reserve(UNIT)).toBeUndefined();
    const output = under(budget);
    output.push(costing(4 * UNIT));
    expect([budget.isSpent, reading.gate]).toEqual([true, [true, false]]);
    reservation?.resize(14 * UNIT);
    expect(budget.isSpent).toBe(true);
    reservation?.resize(13 * UNIT);
    expect([budget.isSpent, reading.gate]).toEqual([false, [true, false, true]]);
  });

  test("still drops replay for new output, of all processes", () => {
    const budget = new MemoryBudget(80 * UNIT);
    const replay = replaying(budget, 30 * UNIT);
    budget.setUsablePart(1 / 4);
    under(budget).push(costing(50 * UNIT));
    expect([replay.raw.heldBytes, budget.heldBytes]).toEqual([0, 50 * UNIT]);
  });

  test("is not spent afterwards, although more than seven eighths are held", () => {
    const budget = new MemoryBudget(80 * UNIT);
    under(budget).push(costing(75 * UNIT));
    budget.setUsablePart(1 / 4);
    budget.setUsablePart(1);
    expect(budget.isSpent).toBe(false);
  });

  test("stays spent afterwards if it is full", () => {
    const budget = new MemoryBudget(80 * UNIT);
    budget.setUsablePart(1 / 4);
    under(budget).push(costing(80 * UNIT));
    budget.setUsablePart(1);
    expect(budget.isSpent).toBe(true);
  });
});

describe("small input", () => {
  test("has room when output fills the budget, up to a sixteenth in all, and again after a release", () => {
    const budget = new MemoryBudget(160 * UNIT);
    const multiplexer = buffering(budget);
    while (!budget.isSpent) multiplexer.push(costing(10 * UNIT));
    const output = budget.heldBytes;
    expect(budget.reserve(1)).toBe(undefined);
    const first = budget.reserveSmallInput(4 * UNIT);
    expect(budget.reserveSmallInput(6 * UNIT)).toBeDefined();
    expect(budget.reserveSmallInput(1)).toBe(undefined);
    expect(budget.heldBytes).toBe(output + 10 * UNIT);
    first?.release();
    first?.release();
    expect(budget.heldBytes).toBe(output + 6 * UNIT);
    expect(budget.reserveSmallInput(4 * UNIT)).toBeDefined();
    expect(budget.reserveSmallInput(1)).toBe(undefined);
  });

  test("does not make the budget spent together with other reservations", () => {
    const budget = new MemoryBudget(160 * UNIT);
    expect(budget.reserve(140 * UNIT)).toBeDefined();
    expect(budget.reserveSmallInput(10 * UNIT)).toBeDefined();
    expect(budget.isSpent).toBe(false);
  });
});
