// Random interleavings of everything that can be done to a multiplexer, also from within wakings, each step compared
// with the reference model (interleaving.ts). A failure prints its seed and the shortest list of steps that fails, for
// the fixed cases below.

import fc from "fast-check";
import { test } from "vitest";
import { KEEP_BY_REFERENCE_BYTES, type OutputStream } from "../../src/multiplexer/index.ts";
import { runInterleaving, type Step, type Who } from "./interleaving.ts";

const stream = fc.constantFrom<OutputStream>("stdout", "stderr", "pty");
const other: fc.Arbitrary<Who> = fc.nat(7);
const selfOrOther = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Who>("self") },
  { weight: 1, arbitrary: other },
);

/** What a subscriber does when it is woken. */
function reaction(maxBytes: fc.Arbitrary<number>): fc.Arbitrary<Step> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("readAll" as const), who: selfOrOther }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), who: selfOrOther, maxBytes }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("taken" as const), who: selfOrOther }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("detach" as const), who: selfOrOther }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "fork", onReadable: [] }) },
  );
}

function steps(bytes: fc.Arbitrary<number>, maxBytes: fc.Arbitrary<number>): fc.Arbitrary<Step[]> {
  const onReadable = fc.array(reaction(maxBytes), { maxLength: 4 });
  const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
    { weight: 8, arbitrary: fc.record({ do: fc.constant("push" as const), stream, bytes }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("fork" as const), onReadable }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("readAll" as const), who: other }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("read" as const), who: other, maxBytes }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant("taken" as const), who: other }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("detach" as const), who: other }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "finish" }) },
  );
  return fc.array(step, { maxLength: 40, size: "max" });
}

const half = KEEP_BY_REFERENCE_BYTES / 2;

/** Around what is copied, gathered and kept by reference. */
const thresholds = [1, half - 1, half, half + 1, half * 2 - 1, half * 2, half * 2 + 1, 64 * 1024];

const arbitraries = {
  "of a few bytes": {
    windowBytes: fc.constantFrom(1, 300, 600, 2_000),
    bytes: fc.integer({ min: 1, max: 8 }),
    maxBytes: fc.constantFrom(0, 1, 4, 9, 1_000),
    runs: 16_000,
  },
  "around the thresholds": {
    windowBytes: fc.constantFrom(1_000, 40_000, 100_000, 256_000),
    bytes: fc.constantFrom(...thresholds),
    maxBytes: fc.constantFrom(1, half, half * 2, 64 * 1024, 128 * 1024),
    runs: 8_000,
  },
};

test.each(Object.entries(arbitraries))(
  "whatever the order of calls, a multiplexer does what its model does, with pieces %s",
  (_pieces, { windowBytes, bytes, maxBytes, runs }) => {
    const property = fc.property(windowBytes, steps(bytes, maxBytes), runInterleaving);
    // Some seconds on an idle machine; a busy one does as many as it can and has time left to shrink.
    fc.assert(property, { numRuns: runs, interruptAfterTimeLimit: 15_000 });
  },
);

test.each<[name: string, windowBytes: number, steps: Step[]]>([
  [
    "a waking reads another subscriber to the head, which is then not woken for nothing",
    1_000,
    [
      { do: "fork", onReadable: [{ do: "readAll", who: 1 }] },
      { do: "readAll", who: 0 },
      { do: "fork", onReadable: [] },
      { do: "push", stream: "stdout", bytes: 1 },
    ],
  ],
  [
    "a waking forks and the fork reads to the head, which is then not woken for nothing",
    1_000,
    [
      {
        do: "fork",
        onReadable: [
          { do: "fork", onReadable: [] },
          { do: "readAll", who: 1 },
        ],
      },
      { do: "readAll", who: 0 },
      { do: "push", stream: "stdout", bytes: 1 },
    ],
  ],
])("fixed case: %s", (_name, windowBytes, steps) => runInterleaving(windowBytes, steps));
