// Rule 3: the end slot is set once and waits for no one, and every subscriber reads it after all output.

import { describe, expect, test } from "vitest";
import { CheckedMultiplexer, type Client, EMPTY, END } from "./checked-multiplexer.ts";

describe("the end", () => {
  test("comes after all output", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    multiplexer.push("a");
    multiplexer.push("b", "stderr");
    multiplexer.finish();
    expect([client.readOne(), client.readOne(), client.readOne()]).toEqual(["a", "b", END]);
  });

  test("is the same for every subscriber, early or late", () => {
    const multiplexer = new CheckedMultiplexer();
    const clients = [multiplexer.attach(), multiplexer.attach()];
    multiplexer.finish("signal: killed");
    clients.push(multiplexer.attach());
    const { end } = multiplexer.raw;
    expect(end).toEqual({ status: "signal: killed" });
    for (const { subscriber } of clients) {
      for (let times = 0; times < 3; times++) {
        const read = subscriber.read();
        expect(read.kind === "end" && read.end).toBe(end);
      }
    }
  });

  test("can be read while the output before it is in flight, which stays held until it is delivered", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    multiplexer.push("abc");
    multiplexer.finish();
    client.read();
    expect(client.read()).toBe(END);
    expect(multiplexer.raw.heldBytes).toBeGreaterThan(0);
    client.delivered();
    expect(multiplexer.raw.heldBytes).toBe(0);
    expect(client.read()).toBe(END);
  });

  test("is set at once although a subscriber has read nothing and the window is full", () => {
    const multiplexer = new CheckedMultiplexer(300);
    const client = multiplexer.attach();
    multiplexer.push("x".repeat(500));
    multiplexer.finish();
    expect(multiplexer.raw.end).toBeDefined();
    expect(client.take()).toHaveLength(500);
    expect(client.read()).toBe(END);
  });

  test("wakes a waiting subscriber once, and no other", () => {
    const multiplexer = new CheckedMultiplexer();
    const waiting = multiplexer.attach();
    const busy = multiplexer.attach();
    waiting.read();
    multiplexer.finish();
    expect([waiting.wakings, busy.wakings]).toEqual([1, 0]);
    expect([waiting.read(), busy.read()]).toEqual([END, END]);
    expect([waiting.wakings, busy.wakings]).toEqual([1, 0]);
  });

  test("is set while no client is attached, and the first client finds output and end", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("unseen");
    multiplexer.finish();
    const client = multiplexer.attach();
    expect([client.read(), client.read()]).toEqual(["unseen", END]);
  });

  test("of a process without output comes without any output", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.finish();
    expect(multiplexer.attach().read()).toBe(END);
  });
});

describe("after the end", () => {
  test("a push is refused and changes nothing", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("a");
    multiplexer.finish();
    expect(() => multiplexer.push("b")).toThrow("output pushed after the end");
    expect(multiplexer.raw.head).toBe(1);
    const client = multiplexer.attach();
    expect([client.read(), client.read()]).toEqual(["a", END]);
  });

  test("a second end is refused, and the first one stays and wakes no subscriber again", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    client.read();
    multiplexer.finish("exit status 1");
    expect(() => multiplexer.finish("exit status 2")).toThrow("the end slot is set already");
    expect(multiplexer.raw.end).toEqual({ status: "exit status 1" });
    expect(client.wakings).toBe(1);
  });

  test("a late fork reads all that was undelivered and then the end, however many attached and left before it", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("a");
    multiplexer.push("b", "stderr");
    multiplexer.finish();
    const gone = multiplexer.attach();
    gone.read();
    gone.detach();
    const late = multiplexer.attach();
    expect([late.readOne(), late.readOne(), late.readOne()]).toEqual(["a", "b", END]);
  });

  test("a fork that attaches when everything is delivered reads the end at once", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("abc");
    multiplexer.finish();
    expect(multiplexer.attach().takeAll()).toBe("abc");
    const late = multiplexer.attach();
    expect(late.subscriber.start).toBe(3);
    expect(late.read()).toBe(END);
  });

  test("a slow subscriber that was attached still reads everything", () => {
    const multiplexer = new CheckedMultiplexer();
    const slow = multiplexer.attach();
    const fast = multiplexer.attach();
    for (const piece of ["a", "b", "c"]) {
      multiplexer.push(piece);
      fast.takeAll();
    }
    multiplexer.finish();
    fast.detach();
    expect([slow.takeOne(), slow.takeOne(), slow.takeOne(), slow.takeOne()]).toEqual(["a", "b", "c", END]);
  });
});

describe("a fork that races with the end", () => {
  test("is woken by the end if it attached before", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    expect(client.read()).toBe(EMPTY);
    multiplexer.finish();
    expect(client.wakings).toBe(1);
    expect(client.read()).toBe(END);
  });

  test("finds undelivered output and the end, and is not woken, if it attached within the wake-up", () => {
    const multiplexer = new CheckedMultiplexer();
    const found: string[] = [];
    const forks: Client[] = [];
    const waiting = multiplexer.attach((self) => {
      const fork = multiplexer.attach();
      forks.push(fork);
      found.push(fork.read(), fork.read(), self.read());
    });
    multiplexer.push("in flight");
    expect([waiting.read(), waiting.read()]).toEqual(["in flight", EMPTY]);
    multiplexer.finish();
    expect(found).toEqual(["in flight", END, END]);
    expect(forks.map((fork) => fork.wakings)).toEqual([0]);
    expect(multiplexer.gate).toEqual([true, false]);
  });

  test("finds the output of the last push, and later the end, if it attached within that push", () => {
    const multiplexer = new CheckedMultiplexer();
    const forks: Client[] = [];
    const waiting = multiplexer.attach(() => forks.push(multiplexer.attach()));
    waiting.read();
    multiplexer.push("last");
    expect(forks[0]?.takeAll()).toBe("last");
    multiplexer.finish();
    expect(forks[0]?.read()).toBe(END);
  });

  test("finds the end without being woken if it attached after it", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.finish();
    const client = multiplexer.attach();
    expect(client.read()).toBe(END);
    expect(client.wakings).toBe(0);
  });

  test("leaves its bytes to a later fork if it leaves within the wake-up", () => {
    const multiplexer = new CheckedMultiplexer();
    const leaving = multiplexer.attach((self) => self.detach());
    multiplexer.push("in flight");
    expect([leaving.read(), leaving.read()]).toEqual(["in flight", EMPTY]);
    multiplexer.finish();
    const late = multiplexer.attach();
    expect([late.read(), late.read()]).toEqual(["in flight", END]);
  });
});
