// The state of a terminal after output, and the output that restores and resets it.

import fc from "fast-check";
import { expect, test } from "vitest";
import { initialState, resetSequence, restoreSequence, TerminalTracker } from "../../src/terminal/index.ts";

const ROWS = 24;

function track(...pieces: readonly (string | Uint8Array)[]): TerminalTracker {
  const tracker = new TerminalTracker(ROWS);
  for (const piece of pieces) tracker.write(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
  return tracker;
}

function restored(output: string): string {
  return restoreSequence(track(output).state).toString("latin1");
}

function reset(output: string): string {
  return resetSequence(track(output).state).toString("latin1");
}

test("text, colors that were reset and movements of the cursor leave nothing to restore or to reset", () => {
  for (const output of [
    "",
    "text\r\n\x07\b",
    "\x1b[31mred\x1b[0m",
    "\x1b[2J\x1b[10;10H\x1b[K",
    "\x1b7\x1b8\x1bM",
  ]) {
    expect(restored(output)).toBe("");
    expect(reset(output)).toBe("");
  }
});

/** The name of a mode, the output that sets it, and the outputs that restore and reset it. */
const cases: readonly [string, string, string, string][] = [
  ["the alternate screen", "\x1b[?1049h", "\x1b[?1049h", "\x1b[?1049l"],
  ["the alternate screen without the cursor", "\x1b[?1047h", "\x1b[?1047h", "\x1b[?1047l"],
  ["the oldest alternate screen", "\x1b[?47h", "\x1b[?47h", "\x1b[?47l"],
  ["an invisible cursor", "\x1b[?25l", "\x1b[?25l", "\x1b[?25h"],
  ["a cursor style", "\x1b[5 q", "\x1b[5 q", "\x1b[0 q"],
  ["application cursor keys", "\x1b[?1h", "\x1b[?1h", "\x1b[?1l"],
  ["the application keypad", "\x1b=", "\x1b=", "\x1b>"],
  ["the application keypad by its mode", "\x1b[?66h", "\x1b=", "\x1b>"],
  ["the mouse", "\x1b[?1000h\x1b[?1002h", "\x1b[?1002h", "\x1b[?9;1000;1001;1002;1003l"],
  ["the encoding of the mouse", "\x1b[?1015;1006h", "\x1b[?1006h", "\x1b[?1005;1006;1015;1016l"],
  ["reports of the focus", "\x1b[?1004h", "\x1b[?1004h", "\x1b[?1004l"],
  ["bracketed paste", "\x1b[?2004h", "\x1b[?2004h", "\x1b[?2004l"],
  ["a scroll region", "\x1b[2;20r", "\x1b7\x1b[2;20r\x1b8", "\x1b7\x1b[r\x1b8"],
  ["a scroll region without an end", "\x1b[5r", "\x1b7\x1b[5;24r\x1b8", "\x1b7\x1b[r\x1b8"],
  ["the origin mode", "\x1b[?6h", "\x1b[?6h", "\x1b[?6l"],
  ["no autowrap", "\x1b[?7l", "\x1b[?7l", "\x1b[?7h"],
  ["the insert mode", "\x1b[4h", "\x1b[4h", "\x1b[4l"],
  ["line drawing", "\x1b(0", "\x1b(0", "\x1b(B"],
  ["line drawing in G1", "\x1b)0\x0e", "\x1b)0\x0e", "\x0f\x1b)B"],
  ["a title", "\x1b]0;vim\x07", "\x1b]2;vim\x1b\\", ""],
  ["a title that ends with ST", "\x1b]2;a;b\x1b\\", "\x1b]2;a;b\x1b\\", ""],
  ["kitty's keyboard flags", "\x1b[>1u\x1b[>5u", "\x1b[>1u\x1b[>5u", "\x1b[<2u"],
  [
    "keyboard flags of the alternate screen",
    "\x1b[?1049h\x1b[=3u",
    "\x1b[?1049h\x1b[=3;1u",
    "\x1b[=0;1u\x1b[?1049l",
  ],
  ["modifyOtherKeys", "\x1b[>4;2m", "\x1b[>4;2m", "\x1b[>4;0m"],
  ["left and right margins", "\x1b[?69h\x1b[2;9s", "\x1b7\x1b[?69h\x1b[2;9s\x1b8", "\x1b7\x1b[?69l\x1b8"],
  ["colors", "\x1b[1;4:3;38;5;9m\x1b[48;2;1;2;3m", "\x1b[1;4:3;38;5;9;48;2;1;2;3m", "\x1b[m"],
  ["a part of the colors", "\x1b[1;31;42m\x1b[22;39m", "\x1b[42m", "\x1b[m"],
  ["an unfinished sequence", "text\x1b[?10", "\x1b[?10", "\x18"],
  ["an unfinished title", "\x1b]2;vi", "\x1b]2;vi", "\x18"],
  ["an unfinished string", "\x1bPq#0;2;0", "\x1b^", "\x18"],
  ["an unfinished end of a string", "\x1bPq#0\x1b", "\x1b^\x1b", "\x18"],
];

test.each(cases)("%s is restored, and reset", (_name, output, expected, expectedReset) => {
  expect(restored(output)).toBe(expected);
  expect(reset(output)).toBe(expectedReset);
});

test("a mode that a program has set and reset again is neither restored nor reset", () => {
  const pairs = [
    "\x1b[?1049h\x1b[?1049l",
    "\x1b[?1049h\x1b[>1u\x1b[?1049l",
    "\x1b[?25l\x1b[?25h",
    "\x1b[?1003;1006h\x1b[?1006;1003l",
    "\x1b=\x1b>",
    "\x1b[3;9r\x1b[r",
    "\x1b[3;9r\x1b[1;24r",
    "\x1b[>1u\x1b[<u",
    "\x1b[>1u\x1b[<9u",
    "\x1b[=5u\x1b[=5;3u",
    "\x1b[>4;2m\x1b[>4m",
    "\x1b[>4;2m\x1b[>m",
    "\x1b(0\x1b(B",
    "\x1b[6 q\x1b[ q",
  ];
  for (const pair of pairs) expect([pair, restored(pair), reset(pair)]).toEqual([pair, "", ""]);
});

test("RIS resets everything but the title; DECSTR resets the modes that terminals reset with it", () => {
  const all = cases.map(([, output]) => output).join("\x1b\\\x18");
  expect(restored(`${all}\x18\x1b]2;name\x07\x1bc`)).toBe("\x1b]2;name\x1b\\");
  expect(restored("\x1b[?25;7l\x1b[?1;6;66h\x1b[4h\x1b[2;3r\x1b(0\x0e\x1b[1m\x1b[?2004;1000h\x1b[!p")).toBe(
    "\x1b[?2004h\x1b[?1000h",
  );
});

test("CAN and SUB abandon a sequence, an ESC begins another one, and a line feed within one changes nothing", () => {
  expect(restored("\x1b[?25\x18l")).toBe("");
  expect(restored("\x1b]2;title\x1al")).toBe("");
  expect(restored("\x1b[?2\x1b[?1h")).toBe("\x1b[?1h");
  expect(restored("\x1b]2;title\x1b[?1h")).toBe("\x1b[?1h");
  expect(restored("\x1b[?2\n5l")).toBe("\x1b[?25l");
  expect(restored("\x1b[?2\x0e5l")).toBe("\x0e\x1b[?25l");
});

test("bytes of UTF-8 are text, also those that are controls in ISO 8859", () => {
  // 0x9b is the CSI of 8-bit terminals.
  expect(restored("\x9b?25l")).toBe("");
  expect(restored("\x1b]2;\xe2\x80\x9c\x07")).toBe("\x1b]2;\xe2\x80\x9c\x1b\\");
});

test("a sequence that is too long is ignored, and the next one is followed", () => {
  expect(restored(`\x1b[${"1;".repeat(10_000)}31m\x1b[?25l`)).toBe("\x1b[?25l");
  expect(restored(`\x1b]52;c;${"A".repeat(1_000_000)}\x07\x1b[?25l`)).toBe("\x1b[?25l");
  expect(restored(`\x1b]52;c;${"A".repeat(1_000_000)}`)).toBe("\x1b]999999;");
  expect(restored(`\x1bP${"A".repeat(1_000_000)}\x1b\\\x1b[?25l`)).toBe("\x1b[?25l");
});

test("a title is cut at 256 bytes, between two characters", () => {
  const title = Buffer.from("é".repeat(1000)).toString("latin1");
  expect(restored(`\x1b]2;a${title}\x07`)).toBe(`\x1b]2;a${title.slice(0, 254)}\x1b\\`);
});

test("with any output of a program, the state and the sequences stay small", () => {
  const output = [
    "\x1b[>1u".repeat(1000),
    "\x1b[?1049h",
    "\x1b[>1u".repeat(1000),
    `\x1b]2;${"t".repeat(5000)}\x07`,
    `\x1b[38:2::${"1".repeat(400)}m`,
    `\x1b(${" ".repeat(400)}A`,
    `\x1b[${"9".repeat(400)};${"9".repeat(50)}r`,
    "\x1b[99999999999 q",
    `\x1b]2;${"u".repeat(5000)}`,
  ].join("");
  expect(JSON.stringify(track(output).state).length).toBeLessThan(2048);
  expect(restored(output).length).toBeLessThan(1024);
  expect(reset(output).length).toBeLessThan(256);
});

test("a size that changes drops the scroll region, as terminals do", () => {
  const tracker = track("\x1b[2;20r");
  tracker.resize(30);
  expect(restoreSequence(tracker.state).toString()).toBe("");
  tracker.write(Buffer.from("\x1b[1;24r"));
  expect(restoreSequence(tracker.state).toString()).toBe("\x1b7\x1b[1;24r\x1b8");
  tracker.write(Buffer.from("\x1b[1;30r"));
  expect(restoreSequence(tracker.state).toString()).toBe("");
});

test("the state is the same object until something changes", () => {
  const tracker = track("\x1b[?1049h");
  const { state } = tracker;
  tracker.write(Buffer.from("much text"));
  expect(tracker.state).toBe(state);
  tracker.write(Buffer.from("\x1b[?25l"));
  expect(tracker.state).not.toBe(state);
});

test("each set of characters that an escape sequence can designate is restored into the same place", () => {
  const intermediates = Array.from({ length: 16 }, (_, index) => String.fromCharCode(0x20 + index));
  for (const introducer of intermediates)
    for (const second of ["", ...intermediates])
      for (const final of ["0", "B", "l", "n"]) {
        const { state } = track(`\x1b${introducer}${second}${final}`);
        expect(track(restoreSequence(state)).state).toEqual(state);
        expect(track(restoreSequence(state), resetSequence(state)).state).toEqual(initialState);
      }
});

/** Sequences and broken ones, so that offsets fall into every part of each. */
const output = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...cases.map(([, sequence]) => sequence)) },
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          ...["\x1b[?1049l", "\x1b[?1l", "\x1b[!p", "\x1bc", "\x1b[r", "\x0f", "\x0e", "\x1b[<u", "\x1b[m"],
          ...[
            "\x18",
            "\x1b",
            "\x1b\\",
            "\x07",
            "[",
            "\x1b]",
            "\x1bP",
            "text\r\n",
            "\x1b[?7",
            "25l",
            "\x1b[4;2",
          ],
          ...[
            "\xe2\x94\x80",
            `\x1b]2;${"x".repeat(600)}`,
            `\x1b]52;c;${"x".repeat(600)}`,
            `\x1b[${"1;".repeat(300)}`,
          ],
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 6 }) },
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(""));

/** Ends every sequence that may be unfinished, so that its effect is seen. */
const END = "l\x07\x1b\\";

test("restored at any offset, a terminal ends in the state of one that received everything", () => {
  fc.assert(
    fc.property(output, fc.nat(), fc.nat(), (text, at, cut) => {
      const bytes = Buffer.from(text + END, "latin1");
      const whole = track(bytes).state;
      const offset = at % (bytes.length + 1);
      const before = track(bytes.subarray(0, offset)).state;
      const rest = bytes.subarray(offset);
      const split = cut % (rest.length + 1);
      const resumed = track(restoreSequence(before), rest.subarray(0, split), rest.subarray(split));
      expect(resumed.state).toEqual(whole);
      // The same for a parser that continues from a stored state.
      const continued = new TerminalTracker(ROWS, before);
      continued.write(rest);
      expect(continued.state).toEqual(whole);
    }),
    { numRuns: 3000 },
  );
});

test("reset from any state, a terminal is in its initial state except for its title", () => {
  fc.assert(
    fc.property(output, (text) => {
      const tracker = track(text);
      tracker.write(resetSequence(tracker.state));
      expect({ ...tracker.state, title: undefined }).toEqual(initialState);
    }),
    { numRuns: 3000 },
  );
});
