// `npm run soak`: random sequences of named clients of one multiplexer, compared with the reference
// model. As many as `--sequences` says, or for as long as the soak lasts.

import { expect, test } from "vitest";
import { runSequence } from "../multiplexer/sequences.ts";

const minutes = Number(process.env["HOLDFAST_SOAK_MINUTES"] ?? 10);
const sequences = Number(process.env["HOLDFAST_SOAK_SEQUENCES"] ?? Number.POSITIVE_INFINITY);
const seed = Number(process.env["HOLDFAST_SOAK_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test("a multiplexer behaves as its model while clients leave, return and observe", {
  timeout: 2 ** 31 - 1,
}, async () => {
  const isCounted = Number.isFinite(sequences);
  const endsAtMs = performance.now() + minutes * 60_000;
  let count = 0;
  while (isCounted ? count < sequences : performance.now() < endsAtMs) {
    const batch = Math.min(10_000, sequences - count);
    for (const last = count + batch; count < last; count++) runSequence(seed + count);
    // The test runner reports to its parent between the batches.
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.stdout.write(`${count} sequences, --seed ${seed}\n`);
  expect(count).toBeGreaterThan(0);
});
