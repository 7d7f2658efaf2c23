// Rules 9 and 10: when producers read, and the output that is held when they stop.

import { describe, expect, test } from "vitest";
import { CHUNK_OVERHEAD_BYTES } from "../../src/multiplexer/chunk-queue.ts";
import { type GateState, pausedReason } from "../../src/multiplexer/gate.ts";
import { CheckedMultiplexer } from "./checked-multiplexer.ts";

/** Text that makes a chunk of its own which costs `bytes`, if the one before it was read or is of another stream. */
function costing(bytes: number): string {
  return "x".repeat(bytes - CHUNK_OVERHEAD_BYTES);
}

describe("detached", () => {
  test("a new multiplexer starts no producer, and pushed output does not change that", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("in hand");
    expect(multiplexer.gate).toEqual([]);
    expect(multiplexer.raw.isReading).toBe(false);
  });

  test("the first fork resumes reading within the call", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.attach();
    expect(multiplexer.gate).toEqual([true]);
    expect(multiplexer.raw.isReading).toBe(true);
  });

  test("a second fork does not start the producer again", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.attach();
    multiplexer.attach();
    expect(multiplexer.gate).toEqual([true]);
  });

  test("reading stops within the detach of the last subscriber, and not before", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach();
    const second = multiplexer.attach();
    first.detach();
    expect(multiplexer.gate).toEqual([true]);
    second.detach();
    expect(multiplexer.gate).toEqual([true, false]);
    expect(multiplexer.raw.subscriberCount).toBe(0);
  });

  test("every attach and detach in turn opens and closes the gate", () => {
    const multiplexer = new CheckedMultiplexer();
    for (let cycle = 0; cycle < 3; cycle++) multiplexer.attach().detach();
    expect(multiplexer.gate).toEqual([true, false, true, false, true, false]);
  });

  test("a fork resumes at once when less than a window is undelivered", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    multiplexer.push(costing(9_999));
    multiplexer.attach();
    expect(multiplexer.gate).toEqual([true]);
  });

  test("a fork that finds a full window must receive half of it before reading resumes", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    multiplexer.push(costing(5_000));
    multiplexer.push(costing(5_000), "stderr");
    const client = multiplexer.attach();
    expect(multiplexer.gate).toEqual([]);
    client.takeOne();
    expect(multiplexer.gate).toEqual([true]);
  });
});

describe("full", () => {
  test("the push that fills the window to the byte stops reading, one byte less does not", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    multiplexer.attach();
    multiplexer.push(costing(9_999));
    expect(multiplexer.gate).toEqual([true]);
    multiplexer.push("x");
    expect(multiplexer.raw.heldBytes).toBe(10_000);
    expect(multiplexer.gate).toEqual([true, false]);
  });

  test("reading alone does not reopen the gate: output in flight is held", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const client = multiplexer.attach();
    multiplexer.push(costing(10_000));
    client.read();
    expect(multiplexer.gate).toEqual([true, false]);
    client.delivered();
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test.each([
    [6_000, "resumes"],
    [6_001, "does not resume"],
  ])("of a full window of 12,000 bytes, reading with %i left %s", (left, expected) => {
    const multiplexer = new CheckedMultiplexer(12_000);
    const client = multiplexer.attach();
    multiplexer.push(costing(6_000));
    multiplexer.push(costing(left), "stderr");
    client.takeOne();
    expect(multiplexer.raw.heldBytes).toBe(left);
    expect(multiplexer.raw.isReading).toBe(expected === "resumes");
  });

  test("once reopened, the gate stays open until the whole window is full again", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const client = multiplexer.attach();
    multiplexer.push(costing(5_000));
    multiplexer.push(costing(5_000), "stderr");
    client.takeOne();
    multiplexer.push(costing(4_999));
    expect(multiplexer.gate).toEqual([true, false, true]);
    multiplexer.push("x");
    expect(multiplexer.gate).toEqual([true, false, true, false]);
  });

  test("a lone subscriber that reads nothing holds reading back however often output is pushed", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    multiplexer.attach();
    for (let times = 0; times < 100; times++) multiplexer.push("more of it", times % 2 ? "stdout" : "stderr");
    expect(multiplexer.gate).toEqual([true, false]);
  });

  test("a producer that obeys is never made to hold more than a window and its last push", () => {
    const multiplexer = new CheckedMultiplexer(50_000);
    multiplexer.attach();
    const pushBytes = 7_000;
    while (multiplexer.raw.isReading) multiplexer.push("x".repeat(pushBytes), "stdout");
    expect(multiplexer.raw.heldBytes).toBeLessThan(50_000 + pushBytes + CHUNK_OVERHEAD_BYTES);
  });

  test("output that was read before the gate closed is kept, and nothing else exceeds the bound", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const client = multiplexer.attach();
    multiplexer.push(costing(10_000));
    multiplexer.push(costing(4_000), "stderr");
    multiplexer.push(costing(4_000), "pty");
    expect(multiplexer.raw.heldBytes).toBe(18_000);
    expect(client.takeAll()).toHaveLength(18_000 - 3 * CHUNK_OVERHEAD_BYTES);
    expect(multiplexer.raw.heldBytes).toBe(0);
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test("the gate changes before subscribers are woken, and one of them may reopen it within the same push", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const seen: boolean[][] = [];
    const client = multiplexer.attach((self) => {
      seen.push([...multiplexer.gate]);
      self.take();
    });
    client.read();
    multiplexer.push(costing(10_000));
    expect(seen).toEqual([[true, false]]);
    expect(multiplexer.gate).toEqual([true, false, true]);
  });
});

describe("several subscribers", () => {
  test("the slowest of three sets the pace", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const clients = [multiplexer.attach(), multiplexer.attach(), multiplexer.attach()];
    multiplexer.push(costing(10_000));
    clients[0]?.take();
    clients[2]?.take();
    expect(multiplexer.gate).toEqual([true, false]);
    expect(multiplexer.raw.heldBytes).toBe(10_000);
    clients[1]?.take();
    expect(multiplexer.gate).toEqual([true, false, true]);
    expect(multiplexer.raw.heldBytes).toBe(0);
  });

  test("when the slowest leaves, the next slowest sets the pace and reading resumes", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const slowest = multiplexer.attach();
    const slow = multiplexer.attach();
    const fast = multiplexer.attach();
    multiplexer.push(costing(6_000));
    multiplexer.push(costing(3_000), "stderr");
    multiplexer.push(costing(3_000), "pty");
    slow.takeOne();
    fast.takeAll();
    expect(multiplexer.gate).toEqual([true, false]);
    slowest.detach();
    expect(multiplexer.gate).toEqual([true, false]);
    slow.takeOne();
    expect(multiplexer.raw.heldBytes).toBe(3_000);
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test("the slowest that leaves as the only one behind reopens the gate within its detach", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const slow = multiplexer.attach();
    const fast = multiplexer.attach();
    multiplexer.push(costing(10_000));
    fast.take();
    slow.detach();
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test("of two that are equally slow, only the second that leaves reopens the gate", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const slow = [multiplexer.attach(), multiplexer.attach()];
    const fast = multiplexer.attach();
    multiplexer.push(costing(10_000));
    fast.take();
    slow[0]?.detach();
    expect(multiplexer.gate).toEqual([true, false]);
    slow[1]?.detach();
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test("a fast one that leaves does not reopen the gate", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    multiplexer.attach();
    const fast = multiplexer.attach();
    multiplexer.push(costing(10_000));
    fast.take();
    fast.detach();
    expect(multiplexer.gate).toEqual([true, false]);
    expect(multiplexer.raw.heldBytes).toBe(10_000);
  });

  test("when all leave a full window that one of them has received, the next fork resumes, and new output evicts it", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const slow = multiplexer.attach();
    const fast = multiplexer.attach();
    multiplexer.push(costing(10_000));
    fast.take();
    fast.detach();
    slow.detach();
    expect(multiplexer.raw.heldBytes).toBe(10_000);
    multiplexer.attach();
    expect(multiplexer.gate).toEqual([true, false, true]);
    multiplexer.push("new");
    expect(multiplexer.raw.heldBytes).toBe(3 + CHUNK_OVERHEAD_BYTES);
  });
});

describe("after the end", () => {
  test("reading stops within finish, and no fork, delivery or detach resumes it", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    multiplexer.push("last words");
    multiplexer.finish();
    expect(multiplexer.gate).toEqual([true, false]);
    multiplexer.attach();
    client.take();
    client.detach();
    expect(multiplexer.gate).toEqual([true, false]);
  });

  test("a process that ends detached does not change its closed gate", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.finish();
    expect(multiplexer.gate).toEqual([]);
  });
});

describe("why nothing is read", () => {
  const open: GateState = {
    ...{
      hasEnded: false,
      hasBegun: true,
      isReadingOut: false,
      isAttached: true,
      wasFull: false,
      isBudgetSpent: false,
    },
    ...{ backlogBytes: 0, undeliveredBytes: 0, windowBytes: 1000, detached: { kind: "block" } },
  };
  test.each<[string | undefined, Partial<GateState>]>([
    [undefined, {}],
    ["slowClient", { backlogBytes: 1000 }],
    ["budget", { isBudgetSpent: true, backlogBytes: 70_000, windowBytes: 100_000 }],
    ["slowClient", { isBudgetSpent: true, backlogBytes: 100_000, windowBytes: 100_000 }],
    ["detached", { isAttached: false }],
    ["detached", { isAttached: false, isBudgetSpent: true }],
    ["budget", { isAttached: false, isBudgetSpent: true, detached: { kind: "ring" } }],
    ["detached", { isAttached: false, undeliveredBytes: 10, detached: { kind: "buffer", bytes: 10 } }],
    [undefined, { isAttached: false, detached: { kind: "ring" } }],
    [undefined, { hasEnded: true }],
    [undefined, { hasBegun: false }],
    [undefined, { isReadingOut: true, backlogBytes: 1000, wasFull: true }],
    [undefined, { isReadingOut: true, isAttached: false, hasBegun: false, isBudgetSpent: true }],
    ["budget", { isReadingOut: true, isBudgetSpent: true, backlogBytes: 70_000 }],
  ])("is %s in the state %o", (reason, state) => {
    expect(pausedReason({ ...open, ...state })).toBe(reason);
  });
});
