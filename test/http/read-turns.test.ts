// When a turn of the event loop has read requests for long, the connections are held, and then read a few in a turn,
// those first that have taken the least time (rule 15).

import { expect, test } from "vitest";
import { type Held, MAX_TURN_MS, ReadTurns } from "../../src/http/connection/read-turns.ts";

/** A connection that is paused and resumed as Node's are. */
function connection(name: string): Held & { readonly name: string; close(): void } {
  let isPaused = false;
  const listeners: (() => void)[] = [];
  const self = {
    name,
    destroyed: false,
    isPaused: () => isPaused,
    pause: () => {
      isPaused = true;
      return self;
    },
    resume: () => {
      isPaused = false;
      return self;
    },
    once: (_: string, listener: () => void) => listeners.push(listener),
    close: () => {
      self.destroyed = true;
      for (const listener of listeners) listener();
    },
  };
  return self as unknown as Held & { readonly name: string; close(): void };
}

function turnsWithClock() {
  let nowMs = 0;
  let next: (() => void)[] = [];
  const turns = new ReadTurns({
    nowMs: () => nowMs,
    nextTurn: (callback) => void next.push(callback),
  });
  return {
    turns,
    /** `socket` is read, which takes `ms`. */
    read: (socket: Held, ms: number) => {
      turns.noteRead(socket);
      nowMs += ms;
      turns.noteRead(socket);
    },
    endTurn: () => {
      const due = next;
      next = [];
      for (const callback of due) callback();
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

const many = (count: number) => Array.from({ length: count }, (_, index) => connection(String(index)));
const paused = (sockets: readonly Held[]) => sockets.filter((socket) => socket.isPaused()).length;

/** Each has taken 3 ms lately. */
function busy(count: number, { turns, read, endTurn }: ReturnType<typeof turnsWithClock>) {
  const sockets = many(count);
  for (const socket of sockets) {
    turns.add(socket, () => undefined);
    read(socket, 3);
    endTurn();
  }
  return sockets;
}

test("a short turn holds nothing; a long one holds all connections, and the next turns release 4, 8, 16 and so on", () => {
  const clock = turnsWithClock();
  const { read, endTurn } = clock;
  const sockets = busy(100, clock);
  const [first = connection("none")] = sockets;
  read(first, MAX_TURN_MS - 1);
  endTurn();
  expect(paused(sockets)).toBe(0);
  read(first, MAX_TURN_MS);
  expect(paused(sockets)).toBe(100);
  // The turn was long, so the first batch is half of 8.
  const left: number[] = [];
  for (let i = 0; i < 6; i++) {
    endTurn();
    left.push(paused(sockets));
  }
  expect(left).toEqual([96, 88, 72, 40, 0, 0]);
});

test("turns that stay long release fewer and fewer, at least one", () => {
  const clock = turnsWithClock();
  const { read, endTurn } = clock;
  const sockets = busy(20, clock);
  const released: number[] = [];
  let before = 0;
  for (let i = 0; i < 4; i++) {
    const flowing = sockets.find((socket) => !socket.isPaused()) ?? connection("none");
    read(flowing, MAX_TURN_MS);
    before = paused(sockets);
    endTurn();
    released.push(before - paused(sockets));
  }
  expect(released).toEqual([4, 2, 1, 1]);
});

test("a quiet connection is read in each turn, before one that took much time, also if the turns stay long", () => {
  const clock = turnsWithClock();
  const { turns, read, endTurn, pass } = clock;
  const quiet = connection("quiet");
  turns.add(quiet, () => undefined);
  read(quiet, 0);
  endTurn();
  pass(10_000);
  const sockets = busy(20, clock);
  for (let i = 0; i < 20; i++) {
    const flowing = sockets.find((socket) => !socket.isPaused()) ?? connection("none");
    read(flowing, MAX_TURN_MS);
    if (i === 0) expect(quiet.isPaused()).toBe(true);
    endTurn();
    expect(quiet.isPaused()).toBe(false);
    // It is not held again before it is read.
    read(flowing, MAX_TURN_MS);
    expect(quiet.isPaused()).toBe(false);
    endTurn();
  }
});

test("each connection that took much time is read again in its turn", () => {
  const clock = turnsWithClock();
  const { read, endTurn } = clock;
  const sockets = busy(10, clock);
  const order: string[] = [];
  for (let i = 0; i < 30; i++) {
    const flowing = sockets.find((socket) => !socket.isPaused() && socket.name !== order.at(-1));
    if (flowing !== undefined) {
      order.push(flowing.name);
      read(flowing, MAX_TURN_MS);
    }
    endTurn();
  }
  expect(new Set(order).size).toBe(10);
});

test("one that Node has paused stays so, and one that is closed is forgotten", () => {
  const { turns, read, endTurn } = turnsWithClock();
  const [reading, full, waits, gone] = many(4) as [Held, Held, Held, ReturnType<typeof connection>];
  for (const socket of [reading, full, waits, gone]) turns.add(socket, () => undefined);
  // A request does not take its body, and answers wait to be sent.
  full.pause();
  Reflect.set(waits, "_paused", true);
  read(reading, MAX_TURN_MS);
  expect(Reflect.get(full, "_paused")).toBeUndefined();
  expect(waits.isPaused()).toBe(false);
  expect(gone.isPaused()).toBe(true);
  gone.close();
  for (let i = 0; i < 5; i++) endTurn();
  expect(full.isPaused()).toBe(true);
  expect(Reflect.get(waits, "_paused")).toBe(true);
  expect(gone.isPaused()).toBe(true);
});

test("a connection that comes in a long turn begins later, after one that takes little", () => {
  const { turns, read, endTurn } = turnsWithClock();
  const [greedy, quiet] = [connection("greedy"), connection("quiet")] as const;
  const fresh = many(10);
  const begun: Held[] = [];
  for (const socket of [greedy, quiet]) turns.add(socket, () => undefined);
  read(greedy, 15);
  endTurn();
  read(quiet, 0);
  endTurn();
  read(greedy, MAX_TURN_MS);
  for (const socket of fresh) turns.add(socket, () => begun.push(socket));
  expect(begun).toEqual([]);
  fresh[0]?.close();
  endTurn();
  expect(quiet.isPaused()).toBe(false);
  for (let i = 0; i < 3; i++) endTurn();
  expect(begun).toEqual(fresh.slice(1));
});

test("quiet connections are released 32 in a turn, even if turns are long", () => {
  const clock = turnsWithClock();
  const { turns, read, endTurn, pass } = clock;
  const quiet = many(100);
  for (const socket of quiet) {
    turns.add(socket, () => undefined);
    read(socket, 0);
    endTurn();
  }
  pass(10_000);
  const [greedy = connection("none")] = busy(1, clock);
  const released = new Set<Held>();
  const counts = [0, 1, 2, 3].map(() => {
    read(greedy, MAX_TURN_MS);
    endTurn();
    for (const socket of quiet) if (!socket.isPaused()) released.add(socket);
    return released.size;
  });
  expect(counts).toEqual([32, 64, 96, 100]);
});
