import { expect, test } from "vitest";
import { type Column, layOut } from "../../../src/cli/commands/text-table.ts";

const columns: readonly Column[] = [
  { heading: "PID", align: "right" },
  { heading: "TAG", align: "left" },
  { heading: "COMMAND", align: "left" },
];

test("columns are as wide as their widest cell, numbers are aligned right, and no line ends in blanks", () => {
  expect(
    layOut(columns, [
      ["7", "-", "true"],
      ["12345", "longer", ""],
    ]),
  ).toEqual([
    "  PID  TAG     COMMAND", //
    "    7  -       true",
    "12345  longer",
  ]);
});

test("the last column is truncated at the width, with an ellipsis", () => {
  const rows = [["1", "t", "0123456789abcdef"]];
  expect(layOut(columns, rows, 26)[1]).toBe("  1  t    0123456789abcdef");
  expect(layOut(columns, rows, 25)[1]).toBe("  1  t    0123456789abcd…");
});

test("a very small width still shows part of the last column", () => {
  expect(layOut(columns, [["1", "t", "0123456789"]], 5)[1]).toBe("  1  t    0123456…");
});

test("East Asian characters and emoji take two cells, combining marks none", () => {
  expect(
    layOut(columns, [
      ["1", "世界", "x"],
      ["2", "🚀", "x"],
      ["3", "e\u0301", "x"],
    ]),
  ).toEqual([
    "PID  TAG   COMMAND", //
    "  1  世界  x",
    "  2  🚀    x",
    "  3  e\u0301     x",
  ]);
  expect(layOut(columns, [["1", "t", "世界世界世界世界"]], 20)[1]).toBe("  1  t    世界世界…");
});

test("line breaks and control characters become blanks", () => {
  expect(layOut(columns, [["1", "a\u001b[31m", "b\r\nc"]])[1]).toBe("  1  a [31m  b c");
});

test.each([
  ["a family emoji joined by ZWJ", "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}", 2],
  ["a heart with the emoji variation selector", "\u2764\ufe0f", 2],
  ["a flag", "\u{1f1e9}\u{1f1ea}", 2],
  ["a Devanagari letter with a virama", "\u0928\u094d", 1],
  ["a zero width space", "\u200b", 0],
])("%s takes its width on a terminal", (_, text, cells) => {
  const line = layOut(columns, [["1", `${text}|`, "x"]])[1] ?? "";
  // "TAG" is three cells wide: the rest is padding.
  expect(line).toBe(`  1  ${text}|${" ".repeat(3 - cells - 1)}  x`);
});
