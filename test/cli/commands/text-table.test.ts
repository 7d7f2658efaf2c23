import { expect, test } from "vitest";
import { type Column, layOut } from "../../../src/cli/commands/text-table.ts";

const columns: readonly Column[] = [
  { heading: "PID", align: "right" },
  { heading: "TAG", align: "left" },
  { heading: "COMMAND", align: "left" },
];

test("columns are as wide as their widest cell, numbers to the right, and no line ends in blanks", () => {
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

test("the last column is cut where the width ends, and marked", () => {
  const rows = [["1", "t", "0123456789abcdef"]];
  expect(layOut(columns, rows, 26)[1]).toBe("  1  t    0123456789abcdef");
  expect(layOut(columns, rows, 25)[1]).toBe("  1  t    0123456789abcd…");
});

test("a width too small for anything leaves something of the last column", () => {
  expect(layOut(columns, [["1", "t", "0123456789"]], 5)[1]).toBe("  1  t    0123456…");
});

test("East Asian characters and emoji count as two cells, combining marks as none", () => {
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
