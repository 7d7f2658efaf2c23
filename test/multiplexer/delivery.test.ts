// Rules 5 and 11: where a fork begins, and that no byte is lost between two subscribers, in any
// order of their calls.

import { describe, expect, test } from "vitest";
import { CHUNK_OVERHEAD_BYTES } from "../../src/multiplexer/chunk-queue.ts";
import { CheckedMultiplexer, type Client, EMPTY } from "./checked-multiplexer.ts";

describe("a fork", () => {
  test("receives what was pushed while no client was attached, from the first byte", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("one ");
    multiplexer.push("two");
    const client = multiplexer.attach();
    expect(client.subscriber.start).toBe(0);
    expect(client.takeAll()).toBe("one two");
  });

  test("receives undelivered output first, then new output", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("before ");
    const client = multiplexer.attach();
    multiplexer.push("after");
    expect(client.takeAll()).toBe("before after");
  });

  test("begins at the head when everything is delivered, although no client is attached", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("old");
    const first = multiplexer.attach();
    first.take();
    first.detach();
    const second = multiplexer.attach();
    expect(second.subscriber.start).toBe(3);
    expect(second.read()).toBe(EMPTY);
  });

  test("begins where the fastest subscriber stands, not where the slowest does", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.attach();
    const fast = multiplexer.attach();
    multiplexer.push("abc");
    fast.take();
    multiplexer.push("def");
    const late = multiplexer.attach();
    expect(late.subscriber.start).toBe(3);
    expect(late.takeAll()).toBe("def");
  });

  test("receives output that others have read and that is not delivered yet", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach();
    multiplexer.push("on its way");
    first.read();
    expect(multiplexer.attach().takeAll()).toBe("on its way");
  });

  test("begins after the delivered part of the output that another subscriber has read", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach();
    multiplexer.push("abc");
    multiplexer.push("def", "stderr");
    first.takeOne();
    first.read();
    expect(multiplexer.attach().takeAll()).toBe("def");
  });
});

describe("output", () => {
  test("keeps its order across streams, and each chunk has its stream and its offset", () => {
    const multiplexer = new CheckedMultiplexer();
    const { subscriber } = multiplexer.attach();
    multiplexer.push("a", "stdout");
    multiplexer.push("bb", "stderr");
    multiplexer.push("ccc", "stdout");
    multiplexer.push("dddd", "pty");
    const read = () => {
      const found = subscriber.read();
      if (found.kind !== "chunk") throw new Error(`read ${found.kind}`);
      const { stream, offset, data } = found.chunk;
      return [stream, offset, data.toString()];
    };
    expect([read(), read(), read(), read()]).toEqual([
      ["stdout", 0, "a"],
      ["stderr", 1, "bb"],
      ["stdout", 3, "ccc"],
      ["pty", 6, "dddd"],
    ]);
    expect(multiplexer.raw.head).toBe(10);
  });

  test("is held once: two subscribers read the same chunks", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach().subscriber;
    const second = multiplexer.attach().subscriber;
    multiplexer.push("shared");
    const [one, two] = [first.read(), second.read()];
    if (one.kind !== "chunk" || two.kind !== "chunk") throw new Error(`read ${one.kind}, ${two.kind}`);
    expect(two.chunk).toBe(one.chunk);
  });

  test("is held until the last attached subscriber has received it, and then no longer", () => {
    const multiplexer = new CheckedMultiplexer();
    const clients = [multiplexer.attach(), multiplexer.attach()];
    multiplexer.push("to both");
    const held = multiplexer.raw.heldBytes;
    clients[0]?.take();
    expect(multiplexer.raw.heldBytes).toBe(held);
    clients[1]?.take();
    expect(multiplexer.raw.heldBytes).toBe(0);
  });

  test("that is empty is ignored", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    expect(client.read()).toBe(EMPTY);
    multiplexer.push("");
    expect(client.wakings).toBe(0);
    expect(client.read()).toBe(EMPTY);
    expect(multiplexer.raw.head).toBe(0);
    expect(multiplexer.raw.heldBytes).toBe(0);
  });

  test("pushed between two reads arrives once at a subscriber that received nothing yet", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    multiplexer.push("ab");
    expect(client.read()).toBe("ab");
    multiplexer.push("cd");
    expect(client.read()).toBe("cd");
    client.delivered();
    expect(multiplexer.raw.heldBytes).toBe(0);
  });
});

describe("a detach", () => {
  test("of a subscriber with a frame in flight leaves its bytes to the next fork", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach();
    multiplexer.push("in flight");
    expect(first.read()).toBe("in flight");
    first.detach();
    expect(multiplexer.attach().takeAll()).toBe("in flight");
  });

  test("of a subscriber that received a part leaves the rest", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach();
    multiplexer.push("taken ");
    first.take();
    multiplexer.push("not taken");
    first.read();
    first.detach();
    expect(multiplexer.attach().takeAll()).toBe("not taken");
  });

  test("of a subscriber with a frame in flight leaves nothing when another received it, and drops nothing", () => {
    const multiplexer = new CheckedMultiplexer();
    const slow = multiplexer.attach();
    const fast = multiplexer.attach();
    multiplexer.push("abc");
    slow.read();
    fast.take();
    slow.detach();
    expect(multiplexer.raw.heldBytes).toBe(3 + CHUNK_OVERHEAD_BYTES);
    const next = multiplexer.attach();
    expect(next.read()).toBe(EMPTY);
    multiplexer.push("d");
    expect(multiplexer.raw.heldBytes).toBe(1 + CHUNK_OVERHEAD_BYTES);
  });

  test("of a fork that read nothing changes nothing for the next", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("kept");
    multiplexer.attach().detach();
    multiplexer.attach().detach();
    expect(multiplexer.attach().takeAll()).toBe("kept");
  });

  test("done twice does nothing the second time, even with later subscribers at the same offset", () => {
    const multiplexer = new CheckedMultiplexer(300);
    const first = multiplexer.attach();
    multiplexer.push("x".repeat(100));
    first.detach();
    const second = multiplexer.attach();
    const third = multiplexer.attach();
    first.detach();
    expect(multiplexer.raw.subscriberCount).toBe(2);
    expect([second.takeAll(), third.takeAll()]).toEqual(["x".repeat(100), "x".repeat(100)]);
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test("makes any other use of the subscriber throw", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach();
    multiplexer.push("x");
    client.read();
    client.detach();
    expect(() => client.read()).toThrow("a detached subscriber was used");
    expect(() => client.delivered()).toThrow("a detached subscriber was used");
    expect(multiplexer.attach().takeAll()).toBe("x");
  });
});

describe("two forks and a detach in one turn", () => {
  // The one that leaves has received "a", has "b" in flight, and has not read "c".
  const orders = [
    ["detach", "fork", "fork"],
    ["fork", "detach", "fork"],
    ["fork", "fork", "detach"],
  ] as const;

  test.each(orders)("%s, %s, %s: both forks receive what the leaving one had not received", (...order) => {
    const multiplexer = new CheckedMultiplexer();
    const leaving = multiplexer.attach();
    multiplexer.push("a");
    leaving.take();
    multiplexer.push("b");
    leaving.read();
    multiplexer.push("c");
    const forks: Client[] = [];
    for (const act of order) {
      if (act === "fork") forks.push(multiplexer.attach());
      else leaving.detach();
    }
    multiplexer.push("d");
    expect(forks.map((fork) => fork.takeAll())).toEqual(["bcd", "bcd"]);
    expect(multiplexer.raw.heldBytes).toBe(0);
    expect(multiplexer.raw.isReading).toBe(true);
  });

  test.each(orders)("%s, %s, %s: the gate is closed only while no subscriber is attached", (...order) => {
    const multiplexer = new CheckedMultiplexer();
    const leaving = multiplexer.attach();
    for (const act of order) {
      if (act === "fork") multiplexer.attach();
      else leaving.detach();
    }
    expect(multiplexer.gate).toEqual(order[0] === "detach" ? [true, false, true] : [true]);
  });

  test.each([
    ["before", "bc"],
    ["after", "c"],
  ] as const)("a fork %s the leaving subscriber receives its bytes receives %j", (when, expected) => {
    const multiplexer = new CheckedMultiplexer();
    const leaving = multiplexer.attach();
    multiplexer.push("b");
    leaving.read();
    multiplexer.push("c");
    const early = when === "before" ? multiplexer.attach() : undefined;
    leaving.delivered();
    const fork = early ?? multiplexer.attach();
    leaving.detach();
    expect(fork.takeAll()).toBe(expected);
  });

  test("of two forks, one that receives and leaves does not take the bytes from the other", () => {
    const multiplexer = new CheckedMultiplexer();
    multiplexer.push("for both");
    const quick = multiplexer.attach();
    const slow = multiplexer.attach();
    quick.takeAll();
    quick.detach();
    expect(slow.takeAll()).toBe("for both");
  });
});

describe("a detach within a push", () => {
  test("of the woken subscriber leaves the pushed bytes to the next fork", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach((self) => self.detach());
    client.read();
    multiplexer.push("nobody's");
    expect(multiplexer.gate).toEqual([true, false]);
    expect(multiplexer.attach().takeAll()).toBe("nobody's");
  });

  test("of the woken subscriber after its read leaves the pushed bytes to the next fork", () => {
    const multiplexer = new CheckedMultiplexer();
    const client = multiplexer.attach((self) => {
      self.read();
      self.detach();
    });
    client.read();
    multiplexer.push("in flight");
    expect(multiplexer.attach().takeAll()).toBe("in flight");
  });

  test("of another waiting subscriber prevents that this one is woken", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach(() => second.detach());
    const second = multiplexer.attach();
    first.read();
    second.read();
    multiplexer.push("x");
    expect(second.wakings).toBe(0);
    expect(multiplexer.raw.subscriberCount).toBe(1);
  });

  test("of a subscriber that was woken already changes nothing for the others", () => {
    const multiplexer = new CheckedMultiplexer();
    const first = multiplexer.attach((self) => self.read());
    const second = multiplexer.attach(() => first.detach());
    first.read();
    second.read();
    multiplexer.push("x");
    expect(second.takeAll()).toBe("x");
  });

  test("within the wake-up leaves the pushed bytes to a fork at its offset in the same wake-up", () => {
    const multiplexer = new CheckedMultiplexer();
    const successors: Client[] = [];
    const client = multiplexer.attach((self) => {
      self.read();
      self.detach();
      successors.push(multiplexer.attach());
    });
    client.read();
    multiplexer.push("handed over");
    expect(successors.map((successor) => successor.takeAll())).toEqual(["handed over"]);
    expect(multiplexer.gate).toEqual([true, false, true]);
  });
});
