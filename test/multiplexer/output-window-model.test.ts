// Random bursts of small pieces, reads and trims, long enough for the window to compact itself many times, compared
// with nothing but the bytes that were appended.

import fc from "fast-check";
import { expect, test } from "vitest";
import { offset } from "../../src/multiplexer/chunk.ts";
import type { OutputStream } from "../../src/multiplexer/index.ts";
import { OutputWindow } from "../../src/multiplexer/output-window.ts";
import { outputAt } from "./reference-model.ts";

type Step =
  | { readonly do: "append"; readonly streams: readonly OutputStream[]; readonly bytes: number }
  | { readonly do: "read"; readonly maxBytes: number }
  /** To this many bytes below what was read. */
  | { readonly do: "trim"; readonly below: number };

const streams = fc.array(fc.constantFrom<OutputStream>("stdout", "stderr", "pty"), {
  maxLength: 60,
  size: "max",
});
const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      streams,
      bytes: fc.integer({ min: 1, max: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("read" as const), maxBytes: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("trim" as const), below: fc.nat(200) }) },
);

test("whatever the order of calls, what is held is what was appended, from the first chunk not wholly trimmed", () => {
  const property = fc.property(fc.array(step, { maxLength: 60, size: "max" }), run);
  fc.assert(property, { numRuns: 1_500, interruptAfterTimeLimit: 10_000 });
});

function run(steps: readonly Step[]): void {
  const window = new OutputWindow();
  /** Where the chunks that were read begin or end: where trimming may stop. */
  const bounds = [0];
  let readTo = 0;

  function append(stream: OutputStream, bytes: number): void {
    window.append(stream, outputAt(stream, window.head, bytes));
  }

  function readOn(maxBytes: number): void {
    for (const { stream, offset: at, data } of window.read(offset(readTo), maxBytes)) {
      if (at !== readTo || !data.equals(outputAt(stream, at, data.length)))
        throw new Error(`wrong at ${readTo}`);
      readTo += data.length;
      bounds.push(readTo);
    }
  }

  function trim(to: number): void {
    const due = Math.max(window.oldest, ...bounds.filter((bound) => bound <= to));
    window.trim(offset(to));
    if (window.oldest !== due) throw new Error(`trimmed to ${window.oldest}, due ${due}`);
  }

  for (const step of steps) {
    if (step.do === "append") for (const stream of step.streams) append(stream, step.bytes);
    else if (step.do === "read") readOn(step.maxBytes);
    else trim(Math.max(0, readTo - step.below));
    window.checkInvariants();
  }
  readOn(Number.POSITIVE_INFINITY);
  expect(readTo).toBe(window.head);
  const held = window.read(window.oldest, Number.POSITIVE_INFINITY);
  expect(held.reduce((bytes, { data }) => bytes + data.length, 0)).toBe(window.head - window.oldest);
}
