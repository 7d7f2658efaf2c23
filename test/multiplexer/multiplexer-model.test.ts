// Random interleavings of all calls to multiplexers, within callbacks also, each step compared with the
// reference model (modelled-multiplexer.ts). A failure prints its seed and the shortest list of steps that
// fails, for the fixed cases below.

import fc from "fast-check";
import { test } from "vitest";
import {
  type DetachedMode,
  KEEP_BY_REFERENCE_BYTES,
  type OutputStream,
} from "../../src/multiplexer/index.ts";
import { volume } from "../support/volume.ts";
import { runInterleaving, type Setting, type Step, type Who } from "./interleaving.ts";
import type { Settings } from "./modelled-multiplexer.ts";

const stream = fc.constantFrom<OutputStream>("stdout", "stderr", "pty");
const other: fc.Arbitrary<Who> = fc.nat(7);
const selfOrOther = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Who>("self") },
  { weight: 1, arbitrary: other },
);
const on = fc.nat(2);
const from = fc.option(fc.oneof(fc.nat(1000), fc.constantFrom(0, 1000, 1001)), { nil: undefined, freq: 2 });
const isObserver = fc.oneof(
  { weight: 3, arbitrary: fc.constant(false) },
  { weight: 1, arbitrary: fc.constant(true) },
);

interface Sizes {
  readonly bytes: fc.Arbitrary<number>;
}

/** The action of a subscriber when it is woken or disconnected. */
function reaction({ bytes }: Sizes): fc.Arbitrary<Step> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("readAll" as const), who: selfOrOther }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("takeAll" as const), who: selfOrOther }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), who: selfOrOther }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("delivered" as const), who: selfOrOther }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("detach" as const), who: selfOrOther }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("push" as const), on, stream, bytes }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("fork" as const),
        on,
        from,
        isObserver,
        onReadable: fc.constant<Step[]>([]),
      }),
    },
  );
}

function steps(sizes: Sizes): fc.Arbitrary<Step[]> {
  const { bytes } = sizes;
  const reactions = fc.array(reaction(sizes), { maxLength: 4 });
  const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
    { weight: 10, arbitrary: fc.record({ do: fc.constant("push" as const), on, stream, bytes }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("fork" as const),
        on,
        from,
        isObserver,
        onReadable: reactions,
        onCut: reactions,
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("readAll" as const), who: other }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("takeAll" as const), who: other }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("read" as const), who: other }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("delivered" as const), who: other }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("progress" as const), who: other }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("detach" as const), who: other }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.constantFrom(1, 400, 999, 1000) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("finish" as const), on }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("release" as const), on }) },
  );
  return fc.array(step, { maxLength: 40, size: "max" });
}

function settings(sizes: {
  readonly windows: readonly number[];
  readonly replays: readonly number[];
  readonly buffers: readonly number[];
  readonly budgets: readonly number[];
  readonly eager: readonly number[];
}): fc.Arbitrary<Setting> {
  const detached = fc.oneof(
    fc.constant<DetachedMode>({ kind: "block" }),
    fc.constantFrom(...sizes.buffers).map<DetachedMode>((bytes) => ({ kind: "buffer", bytes })),
    fc.constant<DetachedMode>({ kind: "ring" }),
  );
  const multiplexer: fc.Arbitrary<Settings> = fc.record({
    windowBytes: fc.constantFrom(...sizes.windows),
    replayBytes: fc.constantFrom(...sizes.replays),
    detached,
    eagerBytes: fc.constantFrom(0, 0, ...sizes.eager),
  });
  return fc.record({
    budgetBytes: fc.constantFrom(...sizes.budgets),
    multiplexers: fc.array(multiplexer, { minLength: 1, maxLength: 3 }),
  });
}

const half = KEEP_BY_REFERENCE_BYTES / 2;

/** Around the lengths that are copied, merged and kept by reference. */
const thresholds = [1, half - 1, half, half + 1, half * 2 - 1, half * 2, half * 2 + 1, 64 * 1024];

const arbitraries = {
  "of a few bytes": {
    setting: settings({
      windows: [1, 300, 600, 2_000],
      replays: [0, 0, 1, 10, 1_000],
      buffers: [1, 10, 1_000],
      budgets: [2_000, 5_000, 1_000_000],
      eager: [3],
    }),
    bytes: fc.integer({ min: 1, max: 8 }),
    runs: volume(3_000, 13_000),
  },
  "around the thresholds": {
    setting: settings({
      windows: [1_000, 40_000, 100_000, 256_000],
      replays: [0, 20_000, 100_000, 300_000],
      buffers: [10_000, 100_000],
      budgets: [100_000, 300_000, 10_000_000],
      eager: [1, 64 * 1024],
    }),
    bytes: fc.constantFrom(...thresholds),
    runs: volume(1_500, 7_000),
  },
};

test.each(Object.entries(arbitraries))(
  "in any order of calls, multiplexers behave as their models, with pieces %s",
  (_pieces, { setting, runs, ...sizes }) => {
    const property = fc.property(setting, steps(sizes), runInterleaving);
    // A few seconds on an idle machine; a busy one runs as many as it can and has time left to shrink.
    fc.assert(property, { numRuns: runs, interruptAfterTimeLimit: 15_000 });
  },
);

function lone(options: Partial<Settings> = {}): Setting {
  return {
    budgetBytes: 1_000_000,
    multiplexers: [
      { windowBytes: 1_000, replayBytes: 0, detached: { kind: "block" }, eagerBytes: 0, ...options },
    ],
  };
}

test.each<[name: string, setting: Setting, steps: Step[]]>([
  [
    "pieces of a run are read twice, the second time by a client that attaches after the first has left",
    {
      budgetBytes: 2_000,
      multiplexers: [
        { windowBytes: 2_000, replayBytes: 0, detached: { kind: "buffer", bytes: 1 }, eagerBytes: 0 },
      ],
    },
    [
      {
        do: "fork",
        on: 0,
        from: undefined,
        isObserver: false,
        onReadable: [
          { do: "readAll", who: "self" },
          { do: "push", on: 0, stream: "stdout", bytes: 1 },
        ],
        onCut: [],
      },
      { do: "readAll", who: 0 },
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
      { do: "detach", who: 0 },
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
      { do: "fork", on: 0, from: undefined, isObserver: true, onReadable: [], onCut: [] },
      { do: "push", on: 0, stream: "pty", bytes: 1 },
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
    ],
  ],
  [
    "a part of a run is delivered: the run is held whole",
    lone({ windowBytes: 100_000 }),
    [
      { do: "fork", on: 0, onReadable: [] },
      { do: "fork", on: 0, onReadable: [] },
      // Read one by one, they stay separate chunks: enough of them for runs behind them.
      ...Array.from({ length: 17 }).flatMap<Step>(() => [
        { do: "push", on: 0, stream: "stdout", bytes: 1 },
        { do: "takeAll", who: 1 },
      ]),
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
      { do: "push", on: 0, stream: "stderr", bytes: 1 },
      { do: "read", who: 1 },
      { do: "delivered", who: 1 },
      { do: "takeAll", who: 0 },
    ],
  ],
  [
    "a wake-up reads another subscriber to the head, and that one is not woken for nothing",
    lone(),
    [
      { do: "fork", on: 0, onReadable: [{ do: "readAll", who: 1 }] },
      { do: "readAll", who: 0 },
      { do: "fork", on: 0, onReadable: [] },
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
    ],
  ],
  [
    "a wake-up forks and the fork reads to the head, and is not woken for nothing",
    lone(),
    [
      {
        do: "fork",
        on: 0,
        onReadable: [
          { do: "fork", on: 0, onReadable: [] },
          { do: "readAll", who: 1 },
        ],
      },
      { do: "readAll", who: 0 },
      { do: "push", on: 0, stream: "stdout", bytes: 1 },
    ],
  ],
])("fixed case: %s", (_name, setting, steps) => runInterleaving(setting, steps));
