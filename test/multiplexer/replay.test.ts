// Rules 5 to 7, 12 and 13: resuming at an offset, the gap when it is no longer held, observers, and
// the output after the end.

import { describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/errors.ts";
import { CHUNK_OVERHEAD_BYTES } from "../../src/multiplexer/chunk-queue.ts";
import { CheckedMultiplexer, type Client, EMPTY, END } from "./checked-multiplexer.ts";

const TEXTS = ["abc", "defg", "hi"];
const ALL = TEXTS.join("");

/** TEXTS were pushed, in alternating streams, and delivered; the client is still attached. */
function delivered(replayBytes: number, texts: readonly string[] = TEXTS): [CheckedMultiplexer, Client] {
  const multiplexer = new CheckedMultiplexer(10_000, { replayBytes });
  const client = multiplexer.attach();
  for (const [index, text] of texts.entries()) {
    multiplexer.push(text, index % 2 ? "stderr" : "stdout");
    client.takeAll();
  }
  return [multiplexer, client];
}

describe("a resume", () => {
  test("at any byte that is held is exact", () => {
    const [multiplexer] = delivered(100);
    for (let from = 0; from <= ALL.length; from++) {
      const client = multiplexer.attachTo({ from });
      expect(client.subscriber.start).toBe(from);
      expect(client.takeAll()).toBe(ALL.slice(from));
    }
  });

  test("inside a chunk receives the rest of it, with its offset and stream", () => {
    const [multiplexer] = delivered(100);
    const read = multiplexer.attachTo({ from: 5 }).subscriber.read();
    expect(read).toMatchObject({ chunk: { stream: "stderr", offset: 5, data: Buffer.from("fg") } });
  });

  test("continues with output that comes while it catches up", () => {
    const [multiplexer] = delivered(100);
    const client = multiplexer.attachTo({ from: 4 });
    expect(client.takeOne()).toBe("efg");
    multiplexer.push("jk", "pty");
    expect(client.takeAll()).toBe("hijk");
  });

  test("below the held output finds exactly the missing bytes as a gap, once, and then all that is held", () => {
    const [multiplexer] = delivered(3);
    expect(multiplexer.raw.oldest).toBe(3);
    const client = multiplexer.attachTo({ from: 1 });
    expect(client.subscriber.start).toBe(1);
    expect([client.take(), client.takeAll()]).toEqual(["(gap 1..3)", "defghi"]);
  });

  test("below the held output keeps the rest held until the gap is read", () => {
    const [multiplexer, fast] = delivered(3);
    const client = multiplexer.attachTo({ from: 0 });
    multiplexer.push("jklmno", "pty");
    fast.takeAll();
    expect([client.read(), client.readOne()]).toEqual(["(gap 0..3)", "defg"]);
    expect(client.takeAll()).toBe("hijklmno");
  });

  test("that leaves before it received the gap leaves it to the next client at the same offset", () => {
    const [multiplexer] = delivered(3);
    const gone = multiplexer.attachTo({ from: 1 });
    gone.read();
    gone.detach();
    expect(multiplexer.attachTo({ from: 1 }).take()).toBe("(gap 1..3)");
  });

  test("at the head waits for new output", () => {
    const [multiplexer] = delivered(0);
    const client = multiplexer.attachTo({ from: ALL.length });
    expect(client.read()).toBe(EMPTY);
    multiplexer.push("new");
    expect(client.takeAll()).toBe("new");
  });

  test("beyond the head is refused, and changes nothing", () => {
    const [multiplexer] = delivered(0);
    const attempt = () => multiplexer.attachTo({ from: ALL.length + 1 });
    expect(attempt).toThrow(
      new HoldfastError("out_of_range", "from_offset 10 is beyond the output's end so far, 9"),
    );
    expect(multiplexer.raw.subscriberCount).toBe(1);
  });

  test("proves that bytes below it that were sent have arrived, and of no other byte", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach();
    multiplexer.push("arrived ");
    multiplexer.push("lost", "stderr");
    first.readOne();
    first.detach();
    multiplexer.attachTo({ from: 12 }).detach();
    const next = multiplexer.attach();
    expect(next.subscriber.start).toBe(8);
    expect(next.takeAll()).toBe("lost");
  });

  test("proves it while the old connection is still attached", () => {
    const multiplexer = new CheckedMultiplexer();
    const ghost = multiplexer.attach();
    multiplexer.push("arrived");
    ghost.read();
    multiplexer.attachTo({ from: 7 }).detach();
    ghost.detach();
    expect(multiplexer.attach().read()).toBe(EMPTY);
  });

  test("inside output that was sent proves it only up to there", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach();
    multiplexer.push("abcdef");
    first.read();
    first.detach();
    multiplexer.attachTo({ from: 4 }).detach();
    expect(multiplexer.attach().takeAll()).toBe("ef");
  });

  test("below delivered output does not make it undelivered again", () => {
    const [multiplexer, client] = delivered(100);
    client.detach();
    const resumed = multiplexer.attachTo({ from: 2 });
    resumed.read();
    resumed.detach();
    expect(multiplexer.attach().read()).toBe(EMPTY);
  });

  test("far back holds the process until it has caught up to half a window", () => {
    const [multiplexer, client] = delivered(
      100_000,
      Array.from({ length: 20 }, () => "x".repeat(1_000)),
    );
    client.detach();
    const resumed = multiplexer.attachTo({ from: 0 });
    expect(multiplexer.raw.isReading).toBe(false);
    while (multiplexer.raw.head - resumed.subscriber.start > 0 && !multiplexer.raw.isReading)
      resumed.takeOne();
    expect(multiplexer.raw.isReading).toBe(true);
    expect(resumed.takeAll().length).toBe(5_000);
  });
});

describe("replay", () => {
  test("holds whole chunks that reach into the last replayBytes of what was delivered", () => {
    const [multiplexer] = delivered(3);
    expect(multiplexer.raw.heldBytes).toBe(6 + 2 * CHUNK_OVERHEAD_BYTES);
  });

  test("that is small is held all the same", () => {
    const [multiplexer] = delivered(1);
    expect(multiplexer.raw.oldest).toBe(7);
    expect(multiplexer.attachTo({ from: 8 }).takeAll()).toBe("i");
  });

  test("does not count against the window", () => {
    const multiplexer = new CheckedMultiplexer(10_000, { replayBytes: 100_000 });
    const client = multiplexer.attach();
    for (let times = 0; times < 20; times++) {
      multiplexer.push("x".repeat(2_000));
      client.takeAll();
    }
    expect(multiplexer.raw.heldBytes).toBeGreaterThan(40_000);
    expect(multiplexer.gate).toEqual([true]);
  });

  test("is dropped only when new output is delivered, not when it is pushed", () => {
    const [multiplexer] = delivered(9);
    multiplexer.push("new");
    expect(multiplexer.raw.oldest).toBe(0);
  });

  test("is not undelivered output for a fork without an offset", () => {
    const [multiplexer, client] = delivered(100);
    client.detach();
    expect(multiplexer.attach().read()).toBe(EMPTY);
  });

  test("merged while a reader has it in flight continues at that reader's byte", () => {
    const multiplexer = new CheckedMultiplexer(10_000, { replayBytes: 1_000 });
    const fast = multiplexer.attach();
    const observer = multiplexer.attachTo({ isObserver: true });
    let seen = "";
    for (const text of ["ab", "c", "defg", "h"]) {
      multiplexer.push(text);
      // Every piece is a separate chunk for a reader that reads at once; the observer is one piece behind.
      fast.read();
      seen += observer.readOne();
      multiplexer.push(text.toUpperCase());
      fast.takeAll();
    }
    expect(seen + observer.takeAll()).toBe("abABcCdefgDEFGhH");
  });
});

describe("an observer", () => {
  test("begins like any other subscriber", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("undelivered");
    expect(multiplexer.attachTo({ isObserver: true }).takeAll()).toBe("undelivered");
  });

  test("does not start a process that waits for its first client", () => {
    const multiplexer = new CheckedMultiplexer(1_000, { detached: { kind: "ring" } });
    multiplexer.attachTo({ isObserver: true });
    expect(multiplexer.gate).toEqual([]);
  });

  test.each(["block", "buffer", "ring"] as const)(
    "changes nothing about a detached process in mode %s: neither the gate, nor what is held, nor what the next client receives",
    (kind) => {
      const [alone, observed] = [false, true].map((isObserved) => {
        const detached = kind === "buffer" ? { kind, bytes: 4_000 } : { kind };
        const multiplexer = new CheckedMultiplexer(1_000, { detached, replayBytes: 2_000 });
        multiplexer.attach().detach();
        const observer = isObserved ? multiplexer.attachTo({ isObserver: true }) : undefined;
        for (let piece = 0; piece < 10 && multiplexer.raw.isReading; piece++) {
          multiplexer.push("x".repeat(900), piece % 2 ? "stdout" : "stderr");
          if (piece % 3 === 0) observer?.takeAll();
        }
        if (kind === "block") multiplexer.push("in hand");
        observer?.takeAll();
        const { gate, raw } = multiplexer;
        const held = [raw.oldest, raw.head, raw.heldBytes, raw.attachOffset];
        return { gate: [...gate], held, next: multiplexer.attach().takeAll() };
      });
      expect(observed).toEqual(alone);
    },
  );

  test("never slows the process", () => {
    const multiplexer = new CheckedMultiplexer(1_000);
    multiplexer.attachTo({ isObserver: true });
    const client = multiplexer.attach();
    for (let times = 0; times < 50; times++) {
      multiplexer.push("x".repeat(300));
      client.takeAll();
    }
    expect(multiplexer.gate).toEqual([true]);
  });

  test("that falls behind the window finds a gap from its offset to the oldest held byte, and continues there", () => {
    const multiplexer = new CheckedMultiplexer(10_000, { replayBytes: 3 });
    const client = multiplexer.attach();
    const observer = multiplexer.attachTo({ isObserver: true });
    multiplexer.push("seen");
    expect(observer.read()).toBe("seen");
    for (const [index, text] of ["missed", "missed too", "held"].entries()) {
      multiplexer.push(text, index % 2 ? "stdout" : "stderr");
      client.takeAll();
    }
    expect([observer.read(), observer.read(), observer.read()]).toEqual(["(gap 4..20)", "held", EMPTY]);
  });

  test("that is inside the window finds no gap, even if it has received nothing", () => {
    const [multiplexer, client] = delivered(100);
    const observer = multiplexer.attachTo({ isObserver: true, from: 0 });
    multiplexer.push("new");
    client.takeAll();
    expect([observer.read(), observer.read()]).toEqual([`${ALL}new`, EMPTY]);
  });

  test("that waits is woken by the next push, not by a gap alone", () => {
    const multiplexer = new CheckedMultiplexer();
    const found: string[] = [];
    const observer = multiplexer.attach((self) => found.push(self.read()), { isObserver: true });
    observer.read();
    multiplexer.push("x");
    expect(found).toEqual(["x"]);
  });

  test("of a detached ring gets a gap when it falls behind, and the process never waits for it", () => {
    const multiplexer = new CheckedMultiplexer(1_000, { detached: { kind: "ring" }, replayBytes: 50_000 });
    multiplexer.attach().detach();
    const observer = multiplexer.attachTo({ isObserver: true });
    for (let times = 0; times < 20; times++) multiplexer.push("x".repeat(40_000));
    expect(multiplexer.gate).toEqual([true]);
    expect([observer.read(), observer.read().length]).toEqual(["(gap 0..720000)", 80_000]);
  });

  test("that attaches to a buffer does not evict the output for the next client", () => {
    const multiplexer = new CheckedMultiplexer(1_000, { detached: { kind: "buffer", bytes: 200_000 } });
    multiplexer.attach().detach();
    multiplexer.push("x".repeat(100_000));
    multiplexer.attachTo({ isObserver: true });
    multiplexer.push("y".repeat(50_000));
    expect(multiplexer.attach().takeAll()).toHaveLength(150_000);
  });

  test("that attaches evicts nothing", () => {
    const multiplexer = new CheckedMultiplexer(1_000);
    multiplexer.push("x".repeat(800));
    multiplexer.push("y".repeat(800), "stderr");
    multiplexer.attachTo({ isObserver: true }).detach();
    expect(multiplexer.attach().takeAll()).toHaveLength(1_600);
  });

  test("that attaches at the head does not prove that any output was received", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("undelivered");
    const observer = multiplexer.attachTo({ isObserver: true, from: 11 });
    observer.read();
    observer.delivered();
    expect(multiplexer.attach().takeAll()).toBe("undelivered");
  });

  test("delivers nothing: the next client receives what the observer received", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("seen");
    const observer = multiplexer.attachTo({ isObserver: true });
    observer.takeAll();
    observer.detach();
    expect(multiplexer.attach().takeAll()).toBe("seen");
  });
});

describe("attaching at an offset", () => {
  test("at the head of a full buffer, and leaving, leaves the backlog to its client", () => {
    const multiplexer = new CheckedMultiplexer(1_000, { detached: { kind: "buffer", bytes: 4_000 } });
    multiplexer.attach().detach();
    while (multiplexer.raw.isReading) multiplexer.push("x".repeat(500));
    const { head } = multiplexer.raw;
    multiplexer.attachTo({ from: head }).detach();
    expect(multiplexer.raw.isReading).toBe(false);
    expect(multiplexer.attach().takeAll()).toHaveLength(head);
  });

  test("above a backlog, and reading much, leaves the backlog; the bytes between are a gap", () => {
    const multiplexer = new CheckedMultiplexer(10_000, { replayBytes: 40_000 });
    const first = multiplexer.attach();
    first.detach();
    multiplexer.push("backlog");
    const other = multiplexer.attachTo({ from: 7 });
    for (let times = 0; times < 10; times++) {
      multiplexer.push("x".repeat(40_000));
      other.takeAll();
    }
    other.detach();
    expect(multiplexer.raw.heldBytes).toBeLessThan(100_000);
    const next = multiplexer.attach();
    expect([next.readOne(), next.readOne(), next.read().length]).toEqual([
      "backlog",
      "(gap 7..360007)",
      40_000,
    ]);
  });

  test("of a client that catches up keeps its received output within the replay, so that it can resume", () => {
    const multiplexer = new CheckedMultiplexer(100_000, { replayBytes: 40_000 });
    multiplexer.attach().detach();
    multiplexer.push("a".repeat(1_000));
    multiplexer.push("b".repeat(1_000), "stderr");
    const other = multiplexer.attachTo({ from: 2_000 });
    for (let times = 0; times < 10; times++) {
      multiplexer.push("x".repeat(40_000));
      other.takeAll();
    }
    const first = multiplexer.attach();
    first.takeOne();
    first.detach();
    expect(multiplexer.attachTo({ from: 500 }).readOne()).toBe("a".repeat(500));
  });

  test("again and again above output that is never read holds no more than the mode's limit", () => {
    const multiplexer = new CheckedMultiplexer(1_000, { detached: { kind: "buffer", bytes: 40_000 } });
    for (let times = 0; times < 20; times++) {
      multiplexer.attachTo({ from: multiplexer.raw.head }).detach();
      multiplexer.push("x".repeat(40_000));
    }
    expect(multiplexer.raw.heldBytes).toBeLessThan(2 * 40_000 + 128 * 1024 + 41_000);
    expect(multiplexer.attach().read()).toMatch(/^\(gap 0\.\./);
  });
});

describe("after the end", () => {
  test("a fork without an offset replays everything held, again and again", () => {
    const [multiplexer, client] = delivered(100);
    multiplexer.finish();
    client.detach();
    for (let times = 0; times < 3; times++) {
      const late = multiplexer.attach();
      expect(late.subscriber.start).toBe(0);
      expect(late.takeAll()).toBe(ALL);
      expect(late.read()).toBe(END);
      late.detach();
    }
  });

  test("a fork without an offset begins at the oldest byte held, without a gap", () => {
    const [multiplexer] = delivered(3);
    multiplexer.finish();
    const late = multiplexer.attach();
    expect(late.subscriber.start).toBe(3);
    expect(late.takeAll()).toBe("defghi");
  });

  test("a resume at the end finds the end at once, and one beyond is refused", () => {
    const [multiplexer] = delivered(3);
    multiplexer.finish();
    expect(multiplexer.attachTo({ from: 9 }).read()).toBe(END);
    expect(() => multiplexer.attachTo({ from: 10 })).toThrow("beyond");
  });

  test("a resume below the held output finds the gap, the rest and the end", () => {
    const [multiplexer] = delivered(3);
    multiplexer.finish();
    const late = multiplexer.attachTo({ from: 0 });
    expect([late.take(), late.takeAll(), late.take()]).toEqual(["(gap 0..3)", "defghi", END]);
  });

  test("observers evict nothing, because there is no new output", () => {
    const multiplexer = new CheckedMultiplexer(10);
    multiplexer.push("x".repeat(1_000));
    multiplexer.push("y".repeat(1_000), "stderr");
    multiplexer.finish();
    multiplexer.attachTo({ isObserver: true }).detach();
    expect(multiplexer.attach().takeAll()).toHaveLength(2_000);
  });
});
