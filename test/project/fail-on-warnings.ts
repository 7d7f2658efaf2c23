// Runs in every test file: a warning from Node in the test's own process (a listener leak, a deprecation, an unsafe
// use) fails that file. What child agents print is checked where they are started.

import { afterAll, expect } from "vitest";

const warnings: string[] = [];

const note = (warning: Error) => void warnings.push(warning.stack ?? String(warning));
process.on("warning", note);

afterAll(async () => {
  // Warnings are emitted on the next tick of the turn that caused them.
  await new Promise((resolve) => setImmediate(resolve));
  // The next file may run in the same process, with a listener of its own.
  process.off("warning", note);
  expect(warnings).toEqual([]);
});
