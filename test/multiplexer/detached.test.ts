// Rules 7 and 9: the output that is read and held while no client is attached. gate.test.ts and
// delivery.test.ts cover mode `block`.

import { describe, expect, test } from "vitest";
import { CHUNK_OVERHEAD_BYTES, KEEP_BY_REFERENCE_BYTES } from "../../src/multiplexer/chunk-queue.ts";
import type { DetachedMode } from "../../src/multiplexer/index.ts";
import { mostHeldFor } from "../../src/multiplexer/retention.ts";
import { CheckedMultiplexer, EMPTY, END } from "./checked-multiplexer.ts";

/** A multiplexer in the given mode that its first client has left. */
function left(detached: DetachedMode, replayBytes = 0, windowBytes = 10_000): CheckedMultiplexer {
  const multiplexer = new CheckedMultiplexer(windowBytes, { detached, replayBytes });
  multiplexer.attach().detach();
  return multiplexer;
}

test("a process that begins detached is read at once, and its first client receives everything", () => {
  const multiplexer = new CheckedMultiplexer(10_000, { detached: { kind: "ring" }, replayBytes: 1000 });
  expect(multiplexer.raw.isReading).toBe(false);
  const observer = multiplexer.attachTo({ isObserver: true });
  expect(multiplexer.raw.isReading).toBe(false);
  multiplexer.raw.beginDetached();
  expect(multiplexer.raw.isReading).toBe(true);
  multiplexer.push("early");
  observer.takeAll();
  observer.detach();
  expect(multiplexer.attach().takeAll()).toBe("early");
});

/** One byte of stdout and one of stderr in turn, `pieces` in all. */
function pushPieces(multiplexer: CheckedMultiplexer, pieces: number): void {
  for (let piece = 0; piece < pieces; piece++)
    multiplexer.raw.push(multiplexer.raw.head % 2 === 0 ? "stdout" : "stderr", Buffer.from("x"));
  multiplexer.raw.checkInvariants();
}

describe("buffer", () => {
  test("continues to read after the last subscriber has left, and never stops in between", () => {
    expect(left({ kind: "buffer", bytes: 100 }).gate).toEqual([true]);
  });

  test("stops at the byte that makes N undelivered, not one before", () => {
    const multiplexer = left({ kind: "buffer", bytes: 100 });
    multiplexer.push("x".repeat(99));
    expect(multiplexer.gate).toEqual([true]);
    multiplexer.push("x");
    expect(multiplexer.gate).toEqual([true, false]);
  });

  test("counts undelivered output, not the replay", () => {
    const multiplexer = left({ kind: "buffer", bytes: 100 }, 1000);
    const client = multiplexer.attach();
    multiplexer.push("x".repeat(500));
    client.takeAll();
    client.detach();
    expect(multiplexer.raw.isReading).toBe(true);
    multiplexer.push("y".repeat(100));
    expect(multiplexer.raw.isReading).toBe(false);
  });

  test("counts what the client had not received when it left", () => {
    const multiplexer = left({ kind: "buffer", bytes: 100 });
    const client = multiplexer.attach();
    multiplexer.push("x".repeat(100));
    client.read();
    client.detach();
    expect(multiplexer.raw.isReading).toBe(false);
  });

  test("hands all of it over, and reads again only when that is delivered", () => {
    const multiplexer = left({ kind: "buffer", bytes: 20_000 }, 0, 10_000);
    multiplexer.push("x".repeat(20_000));
    const client = multiplexer.attach();
    expect(multiplexer.gate).toEqual([true, false]);
    expect(client.takeAll()).toBe("x".repeat(20_000));
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test("of short pieces stops where they cost mostHeldFor, and loses none of them", () => {
    const bytes = 100_000;
    const multiplexer = left({ kind: "buffer", bytes });
    while (multiplexer.raw.isReading) pushPieces(multiplexer, 100);
    const pieces = multiplexer.raw.head;
    expect(pieces).toBeLessThan(bytes);
    const last = 100 * 17 + CHUNK_OVERHEAD_BYTES;
    expect(multiplexer.raw.heldBytes).toBeGreaterThanOrEqual(mostHeldFor(bytes));
    expect(multiplexer.raw.heldBytes).toBeLessThan(mostHeldFor(bytes) + last);
    expect(multiplexer.attach().takeAll()).toHaveLength(pieces);
  });

  test("of a single stream in short pieces holds N bytes: they are merged", () => {
    const multiplexer = left({ kind: "buffer", bytes: 1_000_000 });
    const line = "a line of output, one by one: 42\n";
    for (let bytes = 0; bytes + line.length < 1_000_000; bytes += line.length)
      multiplexer.raw.push("stdout", Buffer.from(line));
    expect(multiplexer.raw.isReading).toBe(true);
    expect(multiplexer.raw.heldBytes).toBeLessThan(1_020_000);
  });

  test("ends like any other: reading stops, and a late fork receives all of it", () => {
    const multiplexer = left({ kind: "buffer", bytes: 100 });
    multiplexer.push("unseen");
    multiplexer.finish();
    expect(multiplexer.gate).toEqual([true, false]);
    const late = multiplexer.attach();
    expect([late.take(), late.take()]).toEqual(["unseen", END]);
  });
});

describe("ring", () => {
  test("reads on and never stops", () => {
    const multiplexer = left({ kind: "ring" }, 100);
    for (let times = 0; times < 50; times++) multiplexer.push("x".repeat(90), times % 2 ? "stdout" : "pty");
    expect(multiplexer.gate).toEqual([true]);
  });

  test("keeps the newest chunks that reach into the last replayBytes, and the rest is a gap", () => {
    const multiplexer = left({ kind: "ring" }, 4);
    for (const [index, text] of ["aaa", "bb", "cc", "d"].entries())
      multiplexer.push(text, index % 2 ? "stdout" : "stderr");
    const client = multiplexer.attach();
    expect(client.subscriber.start).toBe(0);
    expect([client.take(), client.takeAll()]).toEqual(["(gap 0..3)", "bbccd"]);
  });

  test("the gap begins where the last client stood", () => {
    const multiplexer = new CheckedMultiplexer(10_000, { detached: { kind: "ring" }, replayBytes: 2 });
    const client = multiplexer.attach();
    multiplexer.push("taken");
    client.take();
    multiplexer.push("lost");
    client.read();
    client.detach();
    multiplexer.push("kept", "stderr");
    const next = multiplexer.attach();
    expect([next.take(), next.takeAll()]).toEqual(["(gap 5..9)", "kept"]);
  });

  test("a client that leaves evicts nothing, only new output does", () => {
    const multiplexer = new CheckedMultiplexer(10_000, { detached: { kind: "ring" }, replayBytes: 1 });
    multiplexer.attach().detach();
    multiplexer.attach();
    multiplexer.push("in ");
    multiplexer.push("flight", "stderr");
    const client = multiplexer.attach();
    client.read();
    client.detach();
    expect(multiplexer.attach().takeAll()).toBe("in flight");
  });

  test("of nothing keeps nothing, and everything is a gap", () => {
    const multiplexer = left({ kind: "ring" });
    multiplexer.push("abc");
    expect(multiplexer.raw.heldBytes).toBe(0);
    const client = multiplexer.attach();
    expect([client.take(), client.take()]).toEqual(["(gap 0..3)", EMPTY]);
  });

  test("loses nothing and obeys the window while a client is attached", () => {
    const multiplexer = left({ kind: "ring" }, 4, 2_000);
    const client = multiplexer.attach();
    for (const [index, text] of ["aaaa", "bbbb", "cccc", "dddd"].entries())
      multiplexer.push(text, index % 2 ? "stdout" : "stderr");
    expect(multiplexer.raw.isReading).toBe(false);
    expect(client.takeAll()).toBe("aaaabbbbccccdddd");
  });

  test("keeps what it held after the end, and a late fork receives the gap", () => {
    const multiplexer = left({ kind: "ring" }, 2);
    multiplexer.push("lost");
    multiplexer.push("kept", "stderr");
    multiplexer.finish();
    for (let times = 0; times < 2; times++) {
      const late = multiplexer.attach();
      expect([late.read(), late.read(), late.read()]).toEqual(["(gap 0..4)", "kept", END]);
      late.detach();
    }
  });

  test("after the end, and once the gap and the rest are delivered, replays what is held", () => {
    const multiplexer = left({ kind: "ring" }, 2);
    multiplexer.push("lost");
    multiplexer.push("kept", "stderr");
    multiplexer.finish();
    multiplexer.attach().takeAll();
    const late = multiplexer.attach();
    expect(late.subscriber.start).toBe(4);
    expect([late.read(), late.read()]).toEqual(["kept", END]);
  });
});

describe("the memory of a ring", () => {
  /** The most that is dropped at once: short pieces of both streams, merged in one run. */
  const RUN_BYTES = KEEP_BY_REFERENCE_BYTES + 2 * CHUNK_OVERHEAD_BYTES;
  const replayBytes = 300_000;

  test.each([
    ["one byte of stdout and stderr in turn", 1, 60_000],
    ["40 bytes in turn", 40, 30_000],
    ["3,000 bytes in turn", 3_000, 400],
    ["64 KiB in turn", 64 * 1024, 40],
  ])("that was written %s is at most mostHeldFor its bytes", (_how, bytes, pieces) => {
    const multiplexer = left({ kind: "ring" }, replayBytes);
    let most = 0;
    for (let piece = 0; piece < pieces; piece++) {
      multiplexer.raw.push(piece % 2 ? "stdout" : "stderr", Buffer.alloc(bytes));
      most = Math.max(most, multiplexer.raw.heldBytes);
    }
    multiplexer.raw.checkInvariants();
    expect(most).toBeLessThanOrEqual(mostHeldFor(replayBytes));
    const held = multiplexer.raw.head - multiplexer.raw.oldest;
    expect(held >= replayBytes || multiplexer.raw.heldBytes > mostHeldFor(replayBytes) - RUN_BYTES).toBe(
      true,
    );
  });

  test("keeps its newest chunk, however long", () => {
    const multiplexer = left({ kind: "ring" }, 10);
    multiplexer.push("x".repeat(10));
    multiplexer.push("y".repeat(500_000));
    const client = multiplexer.attach();
    expect([client.take(), client.take().length]).toEqual(["(gap 0..10)", 500_000]);
  });

  test("of delivered output in short pieces is bounded in the same way", () => {
    const multiplexer = new CheckedMultiplexer(1_000_000, { replayBytes });
    const client = multiplexer.attach();
    for (let times = 0; times < 60; times++) {
      pushPieces(multiplexer, 1_000);
      client.takeAll();
      expect(multiplexer.raw.heldBytes).toBeLessThanOrEqual(mostHeldFor(replayBytes));
    }
    expect(multiplexer.raw.heldBytes).toBeGreaterThan(mostHeldFor(replayBytes) - RUN_BYTES);
  });

  test("of delivered lines of one stream costs what the lines cost: they are merged", () => {
    const multiplexer = new CheckedMultiplexer(1_000_000, { replayBytes });
    const client = multiplexer.attach();
    for (let times = 0; times < 20_000; times++) {
      multiplexer.raw.push("stdout", Buffer.alloc(40));
      client.subscriber.read();
      client.subscriber.delivered();
    }
    multiplexer.raw.checkInvariants();
    const { head, oldest, heldBytes } = multiplexer.raw;
    expect(head - oldest).toBeGreaterThanOrEqual(replayBytes);
    expect(heldBytes).toBeLessThan(replayBytes + KEEP_BY_REFERENCE_BYTES + 12 * CHUNK_OVERHEAD_BYTES);
  });
});
