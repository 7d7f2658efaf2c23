// Many clients lose one proxy. A simulation with the client's own Backoff in fake time: when each client
// tries again follows from its settings and from the refusals alone.

import { expect, test } from "vitest";
import { toSettings } from "../../src/client/client-settings.ts";
import type { ReconnectOptions } from "../../src/client/index.ts";
import { Backoff } from "../../src/client/retry/backoff.ts";
import { seededRandom } from "../support/seeded-random.ts";

const CLIENTS = 100_000;
const ADMITTED_PER_SECOND = 5_000;

interface Storm {
  /** Tries in each second. */
  readonly tries: readonly number[];
  /** When the last client was admitted. */
  readonly allBackMs: number;
  readonly mostTriesOfOne: number;
}

/** Every client loses its stream at 0 by a clean end. The proxy answers 503 to what it cannot admit. */
function simulate(reconnect: ReconnectOptions, retryAfterMs: number | undefined): Storm {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, startTimer: () => ({ cancel: () => undefined }) };
  const settings = toSettings({ reconnect: { ...reconnect, clock, random: seededRandom(7) } });
  const refusal = { isPlanned: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  const tries: number[] = [];
  let mostTriesOfOne = 0;
  // Buckets of one millisecond, so that no timer has to be sorted.
  const due: { readonly backoff: Backoff; readonly tries: number }[][] = [];
  const plan = (backoff: Backoff, delayMs: number, count: number) => {
    const atMs = Math.floor(nowMs + delayMs) + 1;
    due[atMs] ??= [];
    due[atMs].push({ backoff, tries: count });
  };
  for (let n = 0; n < CLIENTS; n++) {
    const backoff = new Backoff(settings, Number.POSITIVE_INFINITY);
    backoff.reached();
    backoff.succeeded();
    plan(backoff, backoff.afterFailure("lost", { isPlanned: true })?.delayMs ?? 0, 1);
  }
  let left = CLIENTS;
  let admitted = 0;
  for (; left > 0 && nowMs < 600_000; nowMs++) {
    if (nowMs % 1000 === 0) admitted = 0;
    for (const { backoff, tries: count } of due[nowMs] ?? []) {
      const second = Math.floor(nowMs / 1000);
      tries[second] = (tries[second] ?? 0) + 1;
      mostTriesOfOne = Math.max(mostTriesOfOne, count);
      if (admitted < ADMITTED_PER_SECOND) {
        admitted++;
        left--;
      } else {
        plan(backoff, backoff.afterFailure("lost", refusal)?.delayMs ?? 0, count + 1);
      }
    }
    delete due[nowMs];
  }
  return { tries, allBackMs: left === 0 ? nowMs : Number.POSITIVE_INFINITY, mostTriesOfOne };
}

test("with spreadMs and Retry-After 100,000 clients return within a minute, at twice the admitted rate at most", () => {
  const { tries, allBackMs, mostTriesOfOne } = simulate({ spreadMs: 12_000, maxDelayMs: 60_000 }, 15_000);
  expect(allBackMs).toBeLessThan(60_000);
  expect(most(tries)).toBeLessThanOrEqual(2 * ADMITTED_PER_SECOND);
  // None is refused again and again.
  expect(mostTriesOfOne).toBeLessThanOrEqual(3);
});

test("with spreadMs of clients divided by the admitted rate hardly any client is refused", () => {
  const { tries, allBackMs, mostTriesOfOne } = simulate({ spreadMs: 20_000, maxDelayMs: 60_000 }, undefined);
  expect(allBackMs).toBeLessThan(60_000);
  expect(most(tries)).toBeLessThanOrEqual(1.2 * ADMITTED_PER_SECOND);
  expect(mostTriesOfOne).toBeLessThanOrEqual(6);
});

test("without spreadMs the same clients try at once: the storm that the option is for", () => {
  const { tries } = simulate({}, undefined);
  expect(tries[0]).toBeGreaterThan(10 * ADMITTED_PER_SECOND);
});

/** Seconds without a try are holes. */
function most(tries: readonly number[]): number {
  return tries.reduce((one, other) => Math.max(one, other), 0);
}
