// Tests wait for events. The few places that wait for time are listed here with their reason.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const tests = join(import.meta.dirname, "..");

/** An attacker that is slow, polls of a state that brings no event, clients and writers that are slow on purpose, pauses of a length, CPU time over a time. */
const permitted = [
  "fixtures/hostile-clients.mjs",
  "fuzz/fuzz.test.ts",
  "handover/watches.test.ts",
  "soak/lives.ts",
  "soak/soak.test.ts",
  "support/agent/pausable-agent.ts",
  "support/proc/proc.ts",
  "support/until-found.ts",
];

/** A promise that a timer resolves, in any of the ways to write it. */
const sleeps = [/setTimeout\(\s*resolve\b/, /setTimeout(?:,| as |\s*\})[^;]*from "node:timers\/promises"/];

test("no test sleeps", () => {
  const files = readdirSync(tests, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.m?[jt]s$/.test(name),
  );
  expect(files.length).toBeGreaterThan(100);
  const sleeping = files.filter((name) => {
    const text = readFileSync(join(tests, name), "utf8");
    return sleeps.some((pattern) => pattern.test(text));
  });
  expect(sleeping.sort()).toEqual(permitted);
});
