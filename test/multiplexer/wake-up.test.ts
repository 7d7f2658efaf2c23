// onReadable: called once after each `empty` read, in the turn in which there is more to read.

import { expect, test } from "vitest";
import { CheckedMultiplexer, EMPTY } from "./checked-multiplexer.ts";

test("a subscriber whose read was empty is woken within the push that brings more", () => {
  const multiplexer = new CheckedMultiplexer();
  const found: string[] = [];
  const client = multiplexer.attach((self) => found.push(self.take()));
  expect(client.read()).toBe(EMPTY);
  multiplexer.push("x");
  expect(found).toEqual(["x"]);
});

test("a subscriber that did not read to the end is not woken", () => {
  const multiplexer = new CheckedMultiplexer();
  const client = multiplexer.attach();
  multiplexer.push("x");
  multiplexer.push("y");
  client.read();
  multiplexer.push("z");
  expect(client.wakings).toBe(0);
});

test("a subscriber that is woken and does not read is not woken again", () => {
  const multiplexer = new CheckedMultiplexer();
  const client = multiplexer.attach();
  client.read();
  multiplexer.push("x");
  multiplexer.push("y");
  expect(client.wakings).toBe(1);
  expect(client.takeAll()).toBe("xy");
});

test("two empty reads wake the subscriber once", () => {
  const multiplexer = new CheckedMultiplexer();
  const client = multiplexer.attach();
  client.read();
  client.read();
  multiplexer.push("x");
  expect(client.wakings).toBe(1);
});

test("a subscriber that reads to the end within its waking is woken by the next push", () => {
  const multiplexer = new CheckedMultiplexer();
  let received = "";
  const client = multiplexer.attach((self) => {
    received += self.takeAll();
  });
  client.read();
  for (const piece of ["a", "b", "c"]) multiplexer.push(piece);
  expect(client.wakings).toBe(3);
  expect(received).toBe("abc");
});

test("all waiting subscribers are woken by one push, in the order in which they attached", () => {
  const multiplexer = new CheckedMultiplexer();
  const woken: string[] = [];
  for (const name of ["a", "b", "c"]) multiplexer.attach(() => woken.push(name)).read();
  multiplexer.push("x");
  expect(woken).toEqual(["a", "b", "c"]);
});

test("all waiting subscribers are woken by the end", () => {
  const multiplexer = new CheckedMultiplexer();
  const clients = [multiplexer.attach(), multiplexer.attach(), multiplexer.attach()];
  for (const client of clients) client.read();
  multiplexer.finish();
  expect(clients.map((client) => client.wakings)).toEqual([1, 1, 1]);
});

test("a subscriber forked within a waking that does not read is not woken by the same push", () => {
  const multiplexer = new CheckedMultiplexer();
  let forkWakings = 0;
  const client = multiplexer.attach(() => void multiplexer.attach(() => forkWakings++));
  client.read();
  multiplexer.push("x");
  expect(forkWakings).toBe(0);
});

test("a subscriber forked within a waking that reads all there is, is woken by the next push and not by this one", () => {
  const multiplexer = new CheckedMultiplexer();
  const wakings: string[] = [];
  const client = multiplexer.attach(() => {
    multiplexer.attach(() => wakings.push("fork")).takeAll();
  });
  client.read();
  multiplexer.push("x");
  expect(wakings).toEqual([]);
  multiplexer.push("y");
  expect(wakings).toEqual(["fork"]);
});

test("a client that attaches again and reads everything each time it is woken is woken once per push", () => {
  const multiplexer = new CheckedMultiplexer();
  let wakings = 0;
  const attachAnew = (): void => {
    const client = multiplexer.attach((self) => {
      if (++wakings > 10) throw new Error("one push wakes without end");
      self.detach();
      attachAnew();
    });
    client.takeAll();
  };
  attachAnew();
  multiplexer.push("x");
  expect(wakings).toBe(1);
});

test("a subscriber that was read to the head within another one's wake-up is not woken for nothing", () => {
  const multiplexer = new CheckedMultiplexer();
  const foundBySecond: string[] = [];
  const first = multiplexer.attach(() => second.takeAll());
  const second = multiplexer.attach((self) => foundBySecond.push(self.read()));
  first.read();
  second.read();
  multiplexer.push("x");
  expect(foundBySecond).toEqual([]);
  multiplexer.push("y");
  expect(foundBySecond).toEqual(["y"]);
});
