// The parts of the output that `holdfast logs` prints.
import fc from "fast-check";
import { expect, test } from "vitest";
import { LineStamps, lastLines, since } from "../../../src/cli/commands/log-selection.ts";
import { readMoment } from "../../../src/cli/options/moment.ts";
import type { DataEvent, OutputEvent, OutputTime } from "../../../src/client/index.ts";

function data(text: string, offset = 0, more: Partial<DataEvent> = {}): DataEvent {
  return { kind: "stdout", data: Buffer.from(text), offset, ...more };
}

const at = (offset: number, ms: number, withinMs = 1): OutputTime => ({ offset, at: new Date(ms), withinMs });
const textOf = (events: readonly OutputEvent[]) =>
  events.map((event) => (event.kind === "gap" ? "<gap>" : Buffer.from(event.data).toString())).join("");

test.each([
  [0, ""],
  [1, "d"],
  [2, "c\nd"],
  [3, "b\nc\nd"],
  [9, "a\nb\nc\nd"],
])("of three whole lines and the begin of a fourth, the last %i are %j", (lines, expected) => {
  expect(textOf(lastLines([data("a\nb"), data("\nc\n"), data("d")], lines))).toBe(expected);
});

test("a line break at the end ends the last line and begins none", () => {
  expect(textOf(lastLines([data("a\nb\n")], 1))).toBe("b\n");
});

test("a gap within the last lines stays", () => {
  const gap = { kind: "gap", from: 2, to: 9 } as const;
  expect(textOf(lastLines([data("a\n"), gap, data("b\n", 9)], 2))).toBe("a\n<gap>b\n");
});

test("the last lines are those of the text, however it is divided", () => {
  const pieces = fc.array(fc.stringMatching(/^[ab\n]{0,4}$/), { maxLength: 8 });
  fc.assert(
    fc.property(pieces, fc.nat(6), (texts, lines) => {
      const text = texts.join("");
      const whole = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
      const expected = lines === 0 ? "" : whole.slice(-lines).join("");
      expect(
        textOf(
          lastLines(
            texts.map((piece) => data(piece)),
            lines,
          ),
        ),
      ).toBe(expected);
    }),
  );
});

test("output since a time begins with the first byte that may have been read then", () => {
  const event = data("abcdef", 10, { times: [at(10, 1000), at(12, 2000, 500), at(14, 3000)] });
  expect(textOf([since(event, 0) ?? data("")])).toBe("abcdef");
  expect(textOf([since(event, 2400) ?? data("")])).toBe("cdef");
  expect(since(event, 2500)).toMatchObject({ offset: 14, times: [at(14, 3000)] });
  expect(since(event, 3001)).toBeUndefined();
  expect(since(data("x"), 0)).toBeUndefined();
});

test("each line gets the time of its first byte, and each stream has its own lines", () => {
  const stamps = new LineStamps();
  const first = stamps.stamp(data("a\nb", 0, { times: [at(0, 0), at(2, 1500)] }));
  const other = stamps.stamp(data("e\n", 3, { kind: "stderr", times: [at(3, 2000)] }));
  const rest = stamps.stamp(data("c\nd\n", 5, { times: [at(5, 3000)] }));
  expect(textOf([first])).toBe("1970-01-01T00:00:00.000Z a\n1970-01-01T00:00:01.500Z b");
  expect(textOf([other])).toBe("1970-01-01T00:00:02.000Z e\n");
  expect(textOf([rest])).toBe("c\n1970-01-01T00:00:03.000Z d\n");
  expect(textOf([new LineStamps().stamp(data("x\n"))])).toMatch(/^- {24}x\n$/);
});

test.each([
  ["10m", { kind: "ago", agoMs: 600_000 }],
  ["1h30m", { kind: "ago", agoMs: 5_400_000 }],
  ["1970-01-01T00:00:01Z", { kind: "at", atMs: 1000 }],
  ["1970-01-02", { kind: "at", atMs: 86_400_000 }],
  ["1700000000", { kind: "at", atMs: 1_700_000_000_000 }],
])("--since %s is %j", (text, moment) => {
  expect(readMoment(text)).toEqual(moment);
});

test.each(["", "yesterday", "10", "10m ago", "2026-13-01"])("--since %j is refused", (text) => {
  expect(() => readMoment(text)).toThrow("It is how long ago");
});
