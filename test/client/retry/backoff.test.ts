// When the client retries and when it stops, in fake time and with fixed jitter.

import { describe, expect, test } from "vitest";
import { toSettings } from "../../../src/client/client-settings.ts";
import { type ConnectionState, createClient } from "../../../src/client/index.ts";
import { Backoff } from "../../../src/client/retry/backoff.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { untilFound } from "../../support/until-found.ts";
import { dataEvent, endEvent, serveScript, startEvent } from "../scripted-agent.ts";
import { connectTo } from "../test-client.ts";

function backoff(options: { random?: number; patienceMs?: number; spreadMs?: number } = {}) {
  const clock = new FakeClock();
  const settings = toSettings({
    reconnect: {
      initialDelayMs: 100,
      maxDelayMs: 1000,
      spreadMs: options.spreadMs ?? 0,
      clock,
      random: () => options.random ?? 0.5,
    },
  });
  return { clock, backoff: new Backoff(settings, options.patienceMs ?? Number.POSITIVE_INFINITY) };
}

describe("the n-th try in a row waits", () => {
  test.each([
    [0, [0, 0, 0, 0, 0, 0]],
    [0.5, [50, 100, 200, 400, 500, 500]],
    [0.999, [99.9, 199.8, 399.6, 799.2, 999, 999]],
  ])("with a jitter of %d", (random, delays) => {
    const { backoff: tries } = backoff({ random });
    expect(delays.map(() => tries.afterFailure("lost")?.delayMs)).toEqual(delays);
  });

  test("no longer than the first one after a try succeeded", () => {
    const { backoff: tries } = backoff();
    for (const _ of [1, 2, 3]) tries.afterFailure("lost");
    tries.succeeded();
    expect(tries.afterFailure("lost")).toEqual({ attempt: 1, delayMs: 50 });
  });

  test("at most the longest delay, even after a thousand failures", () => {
    const { backoff: tries } = backoff();
    for (let n = 0; n < 2000; n++) tries.afterFailure("lost");
    expect(tries.afterFailure("lost")).toEqual({ attempt: 2001, delayMs: 500 });
  });
});

test("the first wait after a planned end is below spreadMs, later ones and those after other losses are not", () => {
  const { backoff: tries } = backoff({ spreadMs: 8000 });
  expect(tries.afterFailure("lost", { isPlanned: true })?.delayMs).toBe(4000);
  expect(tries.afterFailure("lost", { isPlanned: true })?.delayMs).toBe(100);
  tries.succeeded();
  expect(tries.afterFailure("lost")?.delayMs).toBe(50);
});

test("a wait that was asked for comes in addition to the jitter, and ends the retries if it is too long", () => {
  const { backoff: tries } = backoff({ patienceMs: 10_000 });
  expect(tries.afterFailure("lost", { retryAfterMs: 3000 })?.delayMs).toBe(3050);
  expect(tries.afterFailure("lost", { retryAfterMs: 9950 })).toBeUndefined();
});

test("no try begins after the retry time, counted from construction or from the first failure after a success", () => {
  const { clock, backoff: tries } = backoff({ patienceMs: 1000 });
  clock.advance(800);
  expect(tries.afterFailure("lost")).toEqual({ attempt: 1, delayMs: 50 });
  clock.advance(150);
  expect(tries.afterFailure("lost")).toBeUndefined();
  tries.succeeded();
  clock.advance(5000);
  expect(tries.afterFailure("lost")).toEqual({ attempt: 1, delayMs: 50 });
  clock.advance(800);
  expect(tries.afterFailure("lost")).toEqual({ attempt: 2, delayMs: 100 });
  clock.advance(150);
  expect(tries.afterFailure("lost")).toBeUndefined();
});

test("a connection restarts the retry time, and the delays too if it lasted longer than the next wait", () => {
  const { clock, backoff: tries } = backoff({ patienceMs: 1000 });
  for (const attempt of [1, 2, 3, 4]) expect(tries.afterFailure("lost")).toMatchObject({ attempt });
  clock.advance(900);
  tries.reached();
  clock.advance(900);
  expect(tries.afterFailure("lost")).toMatchObject({ attempt: 5 });
  tries.reached();
  clock.advance(1001);
  expect(tries.afterFailure("lost")).toEqual({ attempt: 1, delayMs: 50 });
});

test("a connection that breaks at once neither shortens the delays nor resets the count of doubtful failures", () => {
  const { backoff: tries } = backoff();
  const attempts = [1, 2, 3, 4].map(() => {
    tries.reached();
    return tries.afterFailure("doubtful");
  });
  expect(attempts.map((next) => next?.delayMs)).toEqual([50, 100, 200, 400]);
  tries.reached();
  expect(tries.afterFailure("doubtful")).toBeUndefined();
});

test("a final failure and the fifth doubtful one in a row are not retried", () => {
  const { backoff: tries } = backoff();
  expect(tries.afterFailure("final")).toBeUndefined();
  const doubts = ["doubtful", "lost", "doubtful", "doubtful", "doubtful", "doubtful"] as const;
  expect(doubts.map((verdict) => tries.afterFailure(verdict) !== undefined)).toEqual([
    true,
    true,
    true,
    true,
    true,
    false,
  ]);
});

test("a connection that is silent for twice the keepalive interval is lost and resumed", async () => {
  const intervals: (string | null)[] = [];
  const url = await serveScript({
    async *start(_request, { requestHeader, signal }) {
      intervals.push(requestHeader.get("Keepalive-Ping-Interval"));
      yield { event: { event: startEvent(0) } };
      yield { event: { event: dataEvent("abc", 0) } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    async *connect({ fromOffset }) {
      yield { event: { event: startEvent(Number(fromOffset)) } };
      yield { event: { event: endEvent(3) } };
    },
  });
  const clock = new FakeClock();
  const states: ConnectionState[] = [];
  const client = connectTo(url, { reconnect: { clock, keepaliveSeconds: 30, random: () => 0 } });
  const process = await client.start({ cmd: "x" }, { onState: (state) => states.push(state) });
  const iterator = process[Symbol.asyncIterator]();
  await iterator.next();
  // No timer is set, so no try can be missed.
  expect(clock.pendingMs).toEqual([]);

  const next = iterator.next();
  await untilFound(
    () => clock.pendingMs[0],
    () => states,
  );
  clock.advance(59_999);
  expect(states).toEqual([{ kind: "connected", offset: 0 }]);
  clock.advance(1);
  await untilFound(
    () => states[1],
    () => states,
  );
  clock.advance(0);
  await expect(next).resolves.toMatchObject({ done: true });
  expect(states.slice(1)).toMatchObject([
    {
      kind: "reconnecting",
      attempt: 1,
      delayMs: 0,
      reason: { code: "unavailable", message: "the agent was silent for 60000 ms" },
    },
    { kind: "connected", offset: 3 },
  ]);
  expect(intervals).toEqual(["30"]);
});

test("a start without an answer fails after callRetryMs, with the last error", async () => {
  const clock = new FakeClock();
  const states: ConnectionState[] = [];
  // Nothing listens on port 9 of this machine.
  const client = connectTo("http://127.0.0.1:9", {
    reconnect: { clock, initialDelayMs: 4000, maxDelayMs: 4000, random: () => 0.5 },
  });
  const started = client.start({ cmd: "x" }, { onState: (state) => states.push(state) });
  const settled = started.then(
    () => "started",
    (error: unknown) => error,
  );
  for (let tries = 1; tries < 15; tries++) {
    await untilFound(
      () => states[tries - 1],
      () => states,
    );
    clock.advance(2000);
  }
  await expect(settled).resolves.toMatchObject({
    name: "ClientError",
    code: "unavailable",
    message: "the connection to the agent failed: connect ECONNREFUSED 127.0.0.1:9",
  });
  expect(states).toHaveLength(15);
  expect(states[13]).toMatchObject({ kind: "reconnecting", attempt: 14, delayMs: 2000 });
  expect(states[14]).toMatchObject({ kind: "gone" });
});

test("invalid options are refused at once", () => {
  const baseUrl = "http://127.0.0.1:9";
  expect(() => createClient({})).toThrow(TypeError);
  expect(() => createClient({ baseUrl: "ftp://127.0.0.1:49983" })).toThrow(
    "must be like http://127.0.0.1:49983",
  );
  expect(() => createClient({ baseUrl, httpVersion: "3" as "2" })).toThrow(
    'httpVersion is "3", must be "1.1" or "2"',
  );
  expect(() => createClient({ baseUrl, reconnect: { keepaliveSeconds: 0.5 } })).toThrow(RangeError);
  expect(() => createClient({ baseUrl, reconnect: { maxDelayMs: Number.NaN } })).toThrow(
    "reconnect.maxDelayMs is NaN",
  );
});
