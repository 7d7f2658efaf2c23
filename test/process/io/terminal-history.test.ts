// The state of a terminal at every offset that is held, after drops and merges of the window,
// beside that of a terminal that received everything.

import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryBudget, Multiplexer, offset, type Subscriber } from "../../../src/multiplexer/index.ts";
import { TerminalHistory } from "../../../src/process/io/terminal-history.ts";
import { TerminalTracker } from "../../../src/terminal/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const SIZE = { cols: 80, rows: 24 };

type Step =
  | { readonly do: "push"; readonly text: string; readonly times: number }
  | { readonly do: "resize"; readonly rows: number }
  | { readonly do: "attach"; readonly isObserver: boolean }
  | { readonly do: "read"; readonly client: number; readonly isDelivered: boolean }
  | { readonly do: "detach"; readonly client: number };

const sequences = [
  ...["\x1b[?1049h", "\x1b[?1049l", "\x1b[?25l", "\x1b[?25h", "\x1b[?1000;1006h", "\x1b[3;20r", "\x1b[r"],
  ...["\x1b]2;a title\x07", "\x1b[1;31m", "\x1b[m", "\x1b(0", "\x1b(B", "\x0e", "\x0f", "\x1b=", "text\r\n"],
  ...["\x1b[?20", "04h", "\x1b]2;un", "finished\x07", "\x1bc", "\x18"],
];

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("push" as const),
        text: fc
          .array(fc.constantFrom(...sequences), { minLength: 1, maxLength: 5 })
          .map((all) => all.join("")),
        // Also chunks that are kept by reference, and more than the replay holds.
        times: fc.constantFrom(1, 1, 1, 10, 3000),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("resize" as const), rows: fc.integer({ min: 3, max: 50 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("attach" as const), isObserver: fc.boolean() }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("read" as const), client: fc.nat(), isDelivered: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("detach" as const), client: fc.nat() }) },
  ),
  { maxLength: 40 },
);

/** The output and the resizes of a terminal, received from the beginning. */
class WholeTerminal {
  readonly #parts: (
    | { readonly at: number; readonly rows: number }
    | { readonly at: number; readonly data: Buffer }
  )[] = [];
  head = 0;

  push(data: Buffer): void {
    this.#parts.push({ at: this.head, data });
    this.head += data.length;
  }

  resize(rows: number): void {
    this.#parts.push({ at: this.head, rows });
  }

  stateAt(end: number) {
    const tracker = new TerminalTracker(SIZE.rows);
    for (const part of this.#parts) {
      if (part.at > end) break;
      // A resize at the place itself has happened: the next byte comes after it.
      if ("rows" in part) tracker.resize(part.rows);
      else tracker.write(part.data.subarray(0, end - part.at));
    }
    return tracker.state;
  }
}

test.each(["ring", "block"] as const)(
  "the state at each offset is that of the whole output, in mode %s",
  (kind) => {
    fc.assert(
      fc.property(steps, fc.array(fc.nat(), { minLength: 5, maxLength: 5 }), (all, places) => {
        const output = new Multiplexer<object>({
          windowBytes: 64 * 1024,
          replayBytes: 100_000,
          detached: { kind },
          stallMs: 1000,
          budget: new MemoryBudget(100_000_000),
          clock: new FakeClock(),
          onReading: () => undefined,
        });
        const history = new TerminalHistory(SIZE);
        const whole = new WholeTerminal();
        const clients: Subscriber<object>[] = [];
        for (const step of all) {
          if (step.do === "push") {
            const data = Buffer.from(step.text.repeat(step.times), "latin1");
            output.push("pty", data, history.follow(data));
            whole.push(data);
          } else if (step.do === "resize") {
            const isSame = step.rows === history.size.rows;
            history.resize({ cols: 80, rows: step.rows }, output.head);
            // Terminals change nothing then.
            if (!isSame) whole.resize(step.rows);
          } else if (step.do === "attach") {
            clients.push(output.fork({ isObserver: step.isObserver, onReadable: () => undefined }));
          } else if (clients.length > 0) {
            const client = clients[step.client % clients.length];
            if (step.do === "detach") {
              client?.detach();
              clients.splice(step.client % clients.length, 1);
            } else {
              client?.read();
              if (step.isDelivered) client?.delivered();
            }
          }
        }
        output.checkInvariants();
        for (const place of [...places, output.oldest, output.head]) {
          const at = offset(place % (output.head + 1));
          const marked = output.markBefore(at);
          const held = marked === undefined ? output.head : marked.offset + marked.before.length;
          expect(held).toBeGreaterThanOrEqual(at);
          expect(history.stateAt(marked)).toEqual(whole.stateAt(held));
        }
      }),
      { numRuns: 150 },
    );
  },
);
