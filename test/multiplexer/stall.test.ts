// Rule 11: a subscriber that accepts nothing while the window is full and another one waits is
// disconnected, and no other ever is.

import { describe, expect, test } from "vitest";
import { MemoryBudget } from "../../src/multiplexer/index.ts";
import { CheckedMultiplexer, type Client, EMPTY, STALL_MS } from "./checked-multiplexer.ts";

const FULL = "x".repeat(10_000);

interface Scene {
  readonly multiplexer: CheckedMultiplexer;
  readonly ghosts: readonly Client[];
  readonly live: Client;
}

/** Ghosts that accept nothing, and a live subscriber that has received a full window and waits. */
function stalled(ghosts = 1): Scene {
  const multiplexer = new CheckedMultiplexer(10_000);
  const scene = {
    multiplexer,
    ghosts: Array.from({ length: ghosts }, () => multiplexer.attach()),
    live: multiplexer.attach(),
  };
  multiplexer.push(FULL);
  scene.live.takeAll();
  return scene;
}

function cuts({ ghosts, live }: Scene): number[][] {
  return [...ghosts, live].map((client) => client.cuts);
}

describe("a stalled subscriber", () => {
  test("is disconnected after stallMs and not before, with its offset", () => {
    const scene = stalled();
    scene.multiplexer.advance(STALL_MS - 1);
    expect(cuts(scene)).toEqual([[], []]);
    scene.multiplexer.advance(1);
    expect(cuts(scene)).toEqual([[0], []]);
    expect(scene.multiplexer.raw.subscriberCount).toBe(1);
  });

  test("lets reading continue in the turn in which it is disconnected", () => {
    const { multiplexer } = stalled();
    expect(multiplexer.gate).toEqual([true, false]);
    multiplexer.advance(STALL_MS);
    expect(multiplexer.gate).toEqual([true, false, true]);
  });

  test("may only detach after it was disconnected", () => {
    const { multiplexer, ghosts } = stalled();
    multiplexer.advance(STALL_MS);
    expect(() => ghosts[0]?.read()).toThrow("a detached subscriber was used");
    ghosts[0]?.detach();
    expect(multiplexer.raw.subscriberCount).toBe(1);
  });

  test("that received a part gets its offset, and finds the rest there", () => {
    const multiplexer = new CheckedMultiplexer(2_000, { replayBytes: 10_000 });
    const slow = multiplexer.attach();
    const live = multiplexer.attach();
    multiplexer.push("abc");
    slow.takeAll();
    multiplexer.push("d".repeat(2_000));
    slow.read();
    live.takeAll();
    multiplexer.advance(STALL_MS);
    expect(slow.cuts).toEqual([3]);
    expect(multiplexer.attachTo({ from: 3 }).takeAll()).toBe("d".repeat(2_000));
  });

  test("that accepts something, however little, has the full time again", () => {
    const multiplexer = new CheckedMultiplexer(2_000);
    const slow = multiplexer.attach();
    const live = multiplexer.attach();
    for (const stream of ["stdout", "stderr", "stdout", "stderr"] as const)
      multiplexer.push("x".repeat(500), stream);
    live.takeAll();
    multiplexer.advance(STALL_MS - 1);
    slow.takeOne();
    multiplexer.advance(STALL_MS - 1);
    expect(slow.cuts).toEqual([]);
    multiplexer.advance(1);
    expect(slow.cuts).toEqual([500]);
  });

  test("is not one whose connection accepts output slowly", () => {
    const { multiplexer, ghosts } = stalled();
    for (let times = 0; times < 5; times++) {
      multiplexer.advance(STALL_MS - 1);
      ghosts[0]?.progress();
    }
    expect(ghosts[0]?.cuts).toEqual([]);
    multiplexer.advance(STALL_MS);
    expect(ghosts[0]?.cuts).toEqual([0]);
  });

  test("is not disconnected for the time before the window was full", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const slow = multiplexer.attach();
    const live = multiplexer.attach();
    multiplexer.push("x");
    live.takeAll();
    multiplexer.advance(10 * STALL_MS);
    multiplexer.push(FULL);
    live.takeAll();
    multiplexer.advance(STALL_MS - 1);
    expect(slow.cuts).toEqual([]);
    multiplexer.advance(1);
    expect(slow.cuts).toEqual([0]);
  });

  test("is not disconnected while the window has room, however long it accepts nothing", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const slow = multiplexer.attach();
    const live = multiplexer.attach();
    multiplexer.push("x");
    live.takeAll();
    multiplexer.advance(100 * STALL_MS);
    expect(slow.cuts).toEqual([]);
    expect(multiplexer.clock.pendingMs).toEqual([]);
  });

  test("is not disconnected while the others are busy", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const clients = [multiplexer.attach(), multiplexer.attach()];
    multiplexer.push(FULL);
    for (const client of clients) client.read();
    multiplexer.advance(100 * STALL_MS);
    expect(clients.map((client) => client.cuts)).toEqual([[], []]);
  });

  test("is not disconnected once the waiting one has left", () => {
    const { multiplexer, ghosts, live } = stalled();
    multiplexer.advance(STALL_MS - 1);
    live.detach();
    multiplexer.advance(100 * STALL_MS);
    expect(ghosts[0]?.cuts).toEqual([]);
    expect(multiplexer.clock.pendingMs).toEqual([]);
  });

  test("is not disconnected after the end: no subscriber waits for it", () => {
    const { multiplexer, ghosts } = stalled();
    multiplexer.finish();
    multiplexer.advance(100 * STALL_MS);
    expect(ghosts[0]?.cuts).toEqual([]);
    expect(ghosts[0]?.takeAll()).toBe(FULL);
    expect(multiplexer.clock.pendingMs).toEqual([]);
  });

  test("is not disconnected when it catches up in time, and the watch is off then", () => {
    const { multiplexer, ghosts } = stalled();
    multiplexer.advance(STALL_MS - 1);
    ghosts[0]?.takeAll();
    expect(multiplexer.clock.pendingMs).toEqual([]);
    multiplexer.advance(STALL_MS);
    expect(ghosts[0]?.cuts).toEqual([]);
  });
});

describe("the stall watch never disconnects", () => {
  test("a lone subscriber", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const lone = multiplexer.attach();
    lone.read();
    multiplexer.push(FULL);
    multiplexer.advance(100 * STALL_MS);
    expect(lone.cuts).toEqual([]);
    expect(lone.takeAll()).toBe(FULL);
  });

  test("a lone one that has read everything, waits, and received nothing of it", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const lone = multiplexer.attach();
    multiplexer.push(FULL);
    expect([lone.read().length, lone.read()]).toEqual([10_000, EMPTY]);
    multiplexer.advance(100 * STALL_MS);
    expect(lone.cuts).toEqual([]);
  });

  test("the last of two that have both read everything and received nothing: neither waits for the other", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const clients = [multiplexer.attach(), multiplexer.attach()];
    multiplexer.push(FULL);
    for (const client of clients) client.takeAll.call({ take: () => client.read() });
    multiplexer.advance(100 * STALL_MS);
    expect(multiplexer.raw.subscriberCount).toBe(2);
  });

  test("a slow one because an observer waits", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const slow = multiplexer.attach();
    const observer = multiplexer.attachTo({ isObserver: true });
    multiplexer.push(FULL);
    observer.takeAll();
    multiplexer.advance(100 * STALL_MS);
    expect(slow.cuts).toEqual([]);
  });

  test("an observer", () => {
    const { multiplexer, ghosts } = stalled();
    const observer = multiplexer.attachTo({ isObserver: true, from: 0 });
    multiplexer.advance(STALL_MS);
    expect([ghosts[0]?.cuts, observer.cuts]).toEqual([[0], []]);
  });

  test("a subscriber that received everything until shortly before, for the time when there was nothing to accept", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const ghost = multiplexer.attach();
    const early = multiplexer.attach();
    const others = [
      multiplexer.attach((self) => self.takeAll()),
      multiplexer.attach((self) => self.takeAll()),
    ];
    multiplexer.push(FULL);
    for (const client of [early, ...others]) client.takeAll();
    multiplexer.advance(STALL_MS - 1);
    multiplexer.push("in hand when the gate was shut");
    multiplexer.advance(1);
    expect([ghost.cuts, early.cuts]).toEqual([[0], []]);
  });
});

describe("ten ghosts", () => {
  test("cost no longer than one", () => {
    const scene = stalled(10);
    scene.multiplexer.advance(STALL_MS);
    expect(cuts(scene)).toEqual([...Array.from({ length: 10 }, () => [0]), []]);
    expect(scene.multiplexer.gate).toEqual([true, false, true]);
  });

  test("at different offsets are disconnected together, not only the slowest", () => {
    const multiplexer = new CheckedMultiplexer(10_000);
    const ghosts = Array.from({ length: 10 }, () => multiplexer.attach());
    const live = multiplexer.attach();
    for (const [index, ghost] of ghosts.entries()) {
      multiplexer.push("x".repeat(500), index % 2 ? "stdout" : "stderr");
      ghost.takeAll();
    }
    live.takeAll();
    expect(multiplexer.raw.isReading).toBe(false);
    multiplexer.push("in hand");
    live.takeAll();
    multiplexer.advance(STALL_MS);
    expect(ghosts.map((ghost) => ghost.cuts)).toEqual(ghosts.map((_, index) => [500 * (index + 1)]));
    expect(live.cuts).toEqual([]);
  });

  test("of which one makes progress lose the others, and that one has its own time", () => {
    const { multiplexer, ghosts } = stalled(3);
    multiplexer.advance(STALL_MS / 2);
    ghosts[1]?.progress();
    multiplexer.advance(STALL_MS / 2);
    expect(ghosts.map((ghost) => ghost.cuts)).toEqual([[0], [], [0]]);
    multiplexer.advance(STALL_MS / 2 - 1);
    expect(ghosts[1]?.cuts).toEqual([]);
    multiplexer.advance(1);
    expect(ghosts[1]?.cuts).toEqual([0]);
  });
});

describe("within onCut", () => {
  /** A ghost whose `onCut` does something, a second ghost, and a live one that waits. */
  function reacting(react: (scene: Scene) => void): Scene {
    const multiplexer = new CheckedMultiplexer(10_000);
    const first = multiplexer.attach(undefined, { onCut: () => react(scene) });
    const scene: Scene = { multiplexer, ghosts: [first, multiplexer.attach()], live: multiplexer.attach() };
    multiplexer.push(FULL);
    scene.live.takeAll();
    return scene;
  }

  test("a fork begins at its offset, and is not disconnected with the others", () => {
    const forks: Client[] = [];
    const { multiplexer } = reacting((scene) => forks.push(scene.multiplexer.attachTo({ from: 10_000 })));
    multiplexer.advance(STALL_MS);
    expect(multiplexer.raw.subscriberCount).toBe(2);
    multiplexer.push("new");
    expect(forks.map((fork) => fork.takeAll())).toEqual(["new"]);
  });

  test("the live one may leave: all were chosen while it waited, and each is called once", () => {
    const scene = reacting(({ live }) => live.detach());
    scene.multiplexer.advance(STALL_MS);
    expect(cuts(scene)).toEqual([[0], [0], []]);
    expect(scene.multiplexer.gate).toEqual([true, false, true, false]);
  });

  test("a push reaches the live one", () => {
    const scene = reacting(({ multiplexer }) => multiplexer.push("more"));
    scene.multiplexer.advance(STALL_MS);
    expect(scene.live.takeAll()).toBe("more");
  });

  test("a detach of itself does nothing", () => {
    const scene = reacting(({ ghosts }) => ghosts[0]?.detach());
    scene.multiplexer.advance(STALL_MS);
    expect(scene.multiplexer.raw.subscriberCount).toBe(1);
  });
});

test("a ghost that holds up a live one because the budget is spent is also disconnected, although its window has room", () => {
  const budget = new MemoryBudget(100_000);
  const other = new CheckedMultiplexer(200_000, { budget });
  other.push("x".repeat(100_000));
  const multiplexer = new CheckedMultiplexer(200_000, { budget });
  const ghost = multiplexer.attach();
  const live = multiplexer.attach();
  multiplexer.push("x".repeat(64 * 1024));
  live.takeAll();
  expect(multiplexer.raw.isReading).toBe(false);
  multiplexer.advance(STALL_MS);
  expect(ghost.cuts).toEqual([0]);
  expect(multiplexer.raw.isReading).toBe(true);
});
