// Random bursts of small pieces, reads from any offset, moves to replay and trims, long enough for the
// window to compact itself many times, compared with the bytes that were appended.

import fc from "fast-check";
import { test } from "vitest";
import { type Chunk, chunkEnd, offset } from "../../src/multiplexer/chunk.ts";
import type { OutputStream } from "../../src/multiplexer/index.ts";
import { Intervals } from "../../src/multiplexer/intervals.ts";
import { OutputWindow } from "../../src/multiplexer/output-window.ts";
import { outputAt } from "./reference-model.ts";

type Step =
  | { readonly do: "append"; readonly streams: readonly OutputStream[]; readonly bytes: number }
  | { readonly do: "read" }
  /** From so many thousandths of what is held. */
  | { readonly do: "readFrom"; readonly place: number }
  /** To this many bytes below what was read. */
  | { readonly do: "moveToReplay"; readonly below: number }
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
  { weight: 2, arbitrary: fc.record({ do: fc.constant("read" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("readFrom" as const),
      place: fc.nat(1000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("moveToReplay" as const), below: fc.nat(200) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("trim" as const), below: fc.nat(200) }) },
);

test("after any calls, the held bytes are those that were appended, from the first chunk that is not wholly trimmed", () => {
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

  /** Returns the offset behind what it read. */
  function read(from: number): number {
    const found = window.read(offset(from));
    if (found === undefined) {
      if (from < window.head) throw new Error(`nothing at ${from}`);
      return from;
    }
    if (found.kind === "gap") throw new Error(`a gap at ${from}`);
    if (found.chunk.offset !== from) throw new Error(`${found.chunk.offset} read, ${from} expected`);
    chunksRead.push(found.chunk);
    return chunkEnd(found.chunk);
  }

  function toReplay(to: number): void {
    const delivered = new Intervals();
    delivered.add(0, to);
    window.settle(offset(to), delivered, offset(0));
  }

  function trim(to: number): void {
    const before = window.oldest;
    window.dropBelow(offset(to));
    if (window.oldest < before || window.oldest > Math.max(to, before))
      throw new Error(`trimmed to ${window.oldest} from ${before}, not beyond ${to}`);
    if (window.dropOldest(offset(to))) throw new Error(`a chunk below ${to} was left`);
  }

  for (const step of steps) {
    const to = Math.max(0, readTo - ("below" in step ? step.below : 0));
    if (step.do === "append") for (const stream of step.streams) append(stream, step.bytes);
    else if (step.do === "read") readTo = read(readTo);
    else if (step.do === "moveToReplay") toReplay(to);
    else if (step.do === "trim") trim(to);
    else read(window.oldest + Math.floor(((window.head - window.oldest) * step.place) / 1000));
    window.checkInvariants();
  }
  let at: number = window.oldest;
  while (at < window.head) at = read(at);
  // Chunks that were read must be unchanged: nothing may have been written over them.
  for (const { stream, offset: from, data } of chunksRead)
    if (!data.equals(outputAt(stream, from, data.length))) throw new Error(`wrong at ${from}`);
}
