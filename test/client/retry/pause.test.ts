// The wait between two tries. A client may wait for an agent for months, so a wait leaves nothing behind.

import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { pause } from "../../../src/client/retry/pause.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const WAITS = 1000;

/** An event that lasts for all waits, and counts what still follows it. */
class LastingEvent {
  readonly followers = new Set<() => void>();

  readonly follow = (wake: () => void) => {
    this.followers.add(wake);
    return () => void this.followers.delete(wake);
  };
}

test.each(["time", "wake"])("a thousand waits that end by %s leave nothing on what lasts", async (ending) => {
  const clock = new FakeClock();
  const event = new LastingEvent();
  const { signal } = new AbortController();
  for (let wait = 0; wait < WAITS; wait++) {
    const waited = pause(clock, 10, signal, event.follow);
    expect([event.followers.size, clock.pendingMs.length, getEventListeners(signal, "abort").length]).toEqual(
      [1, 1, 1],
    );
    if (ending === "time") clock.advance(10);
    else for (const wake of event.followers) wake();
    await waited;
  }
  expect([event.followers.size, clock.pendingMs.length, getEventListeners(signal, "abort").length]).toEqual([
    0, 0, 0,
  ]);
});

test("an aborted wait rejects with the reason, and leaves nothing on what lasts", async () => {
  const clock = new FakeClock();
  const event = new LastingEvent();
  for (let wait = 0; wait < WAITS; wait++) {
    const abort = new AbortController();
    const waited = pause(clock, 10, abort.signal, event.follow);
    abort.abort(new Error("enough"));
    await expect(waited).rejects.toThrow("enough");
  }
  expect([event.followers.size, clock.pendingMs.length]).toEqual([0, 0]);
});
