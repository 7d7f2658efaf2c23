// Random bursts of small pieces, reads from any place, settling and trims, long enough for the window to compact itself
// many times, compared with nothing but the bytes that were appended.

import fc from "fast-check";
import { test } from "vitest";
import { type Chunk, offset } from "../../src/multiplexer/chunk.ts";
import type { OutputStream } from "../../src/multiplexer/index.ts";
import { OutputWindow } from "../../src/multiplexer/output-window.ts";
import { outputAt } from "./reference-model.ts";

type Step =
  | { readonly do: "append"; readonly streams: readonly OutputStream[]; readonly bytes: number }
  | { readonly do: "read"; readonly maxBytes: number }
  /** From so many thousandths of what is held. */
  | { readonly do: "readFrom"; readonly place: number; readonly maxBytes: number }
  /** To this many bytes below what was read. */
  | { readonly do: "settle"; readonly below: number }
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
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("readFrom" as const),
      place: fc.nat(1000),
      maxBytes: fc.nat(300),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("settle" as const), below: fc.nat(200) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("trim" as const), below: fc.nat(200) }) },
);

test("whatever the order of calls, what is held is what was appended, from the first chunk not wholly trimmed", () => {
  const property = fc.property(fc.array(step, { maxLength: 60, size: "max" }), run);
  fc.assert(property, { numRuns: 1_500, interruptAfterTimeLimit: 10_000 });
});

function run(steps: readonly Step[]): void {
  const window = new OutputWindow();
  const chunksRead: Chunk[] = [];
  let readTo = 0;

  function append(stream: OutputStream, bytes: number): void {
    window.append(stream, outputAt(stream, window.head, bytes));
  }

  /** Returns where it has read to. */
  function read(from: number, maxBytes: number): number {
    let at = from;
    const chunks = window.read(offset(from), maxBytes);
    for (const chunk of chunks) {
      if (chunk.offset !== at) throw new Error(`${chunk.offset} read where ${at} was due`);
      at += chunk.data.length;
    }
    if (from < window.head && chunks.length === 0) throw new Error(`nothing at ${from}`);
    if (chunks.length > 1 && at - from > maxBytes) throw new Error(`${at - from} read of ${maxBytes}`);
    chunksRead.push(...chunks);
    return at;
  }

  function trim(to: number): void {
    const before = window.oldest;
    window.trim(offset(to));
    if (window.oldest < before || window.oldest > Math.max(to, before))
      throw new Error(`trimmed to ${window.oldest} from ${before}, not beyond ${to}`);
    if (window.trimOldest(offset(to))) throw new Error(`a chunk below ${to} was left`);
  }

  for (const step of steps) {
    const to = Math.max(0, readTo - ("below" in step ? step.below : 0));
    if (step.do === "append") for (const stream of step.streams) append(stream, step.bytes);
    else if (step.do === "read") readTo = read(readTo, step.maxBytes);
    else if (step.do === "settle") window.settle(offset(to));
    else if (step.do === "trim") trim(to);
    else read(window.oldest + Math.floor(((window.head - window.oldest) * step.place) / 1000), step.maxBytes);
    window.checkInvariants();
  }
  let at: number = window.oldest;
  while (at < window.head) at = read(at, Number.POSITIVE_INFINITY);
  // What was read must be right still: nothing may have been written over it.
  for (const { stream, offset: from, data } of chunksRead)
    if (!data.equals(outputAt(stream, from, data.length))) throw new Error(`wrong at ${from}`);
}
