// Random sequences of named clients (sequences.ts). The seeds are fixed: a failure names its seed, which
// becomes a fixed case here. CI runs a million other seeds in the soak.

import { test } from "vitest";
import { volume } from "../support/volume.ts";
import { runSequence } from "./sequences.ts";

const SEQUENCES = volume(20_000, 100_000);
/** A busy machine runs as many as it can. */
const MOST_MS = 20_000;

// Missed output that was delivered since still counted as undelivered, and a buffer stayed blocked.
// A client had returned into output that all had missed. What it still needed counted as missed, so that older output was dropped too early.
test.each([5_494_148, 214_924_012])("fixed case: sequence %i", (seed) => runSequence(seed));

test("a multiplexer behaves as its model while clients leave, return and observe", {
  timeout: 4 * MOST_MS,
}, () => {
  const endsAtMs = performance.now() + MOST_MS;
  for (let seed = 0; seed < SEQUENCES && performance.now() < endsAtMs; seed++) runSequence(seed);
});
