// Which place the search of a terminal selects, on buffers of a few cells.

import { expect, test } from "vitest";
import { findText, type SearchedTerminal } from "../../console/terminal/find.ts";

const COLUMNS = 8;

/** Cells of one row: a wide character has an empty cell behind it. */
function cellsOf(text: string): readonly string[] {
  const cells = [...text].flatMap((character) => (character > "ᄀ" ? [character, ""] : [character]));
  return [...cells, ...Array.from({ length: COLUMNS - cells.length }, () => " ")];
}

/** `+` in front: the row continues the one before. */
function terminalOf(...rows: readonly string[]) {
  const lines = rows.map((row) => ({
    isWrapped: row.startsWith("+"),
    cells: cellsOf(row.replace(/^\+/, "")),
  }));
  let selected: { column: number; row: number; length: number } | undefined;
  let scrolledTo: number | undefined;
  const terminal: SearchedTerminal = {
    rows: 2,
    buffer: {
      active: {
        length: lines.length,
        viewportY: 0,
        getLine: (row) => {
          const line = lines[row];
          if (line === undefined) return undefined;
          const text = line.cells.join("");
          return {
            length: COLUMNS,
            isWrapped: line.isWrapped,
            translateToString: (trims = false) => (trims ? text.trimEnd() : text),
            getCell: (column) => {
              const characters = line.cells[column];
              return characters === undefined
                ? undefined
                : { getWidth: () => (characters === "" ? 0 : 1), getChars: () => characters };
            },
          };
        },
      },
    },
    getSelectionPosition: () => selected && { start: { x: selected.column, y: selected.row } },
    clearSelection: () => {
      selected = undefined;
    },
    select: (column, row, length) => {
      selected = { column, row, length };
    },
    scrollToLine: (row) => {
      scrolledTo = row;
    },
  };
  return { terminal, selected: () => selected, scrolledTo: () => scrolledTo };
}

test("each step selects the next place, in any case, and after the last one the first again", () => {
  const { terminal, selected, scrolledTo } = terminalOf("abc ABC", "none", "x abC");
  const steps = Array.from({ length: 4 }, () => findText(terminal, "Abc") && selected());
  expect(steps).toEqual([
    { column: 0, row: 0, length: 3 },
    { column: 4, row: 0, length: 3 },
    { column: 2, row: 2, length: 3 },
    { column: 0, row: 0, length: 3 },
  ]);
  // The third place was not in view.
  expect(scrolledTo()).toBe(1);
});

test("back goes to the place before, and before the first one to the last", () => {
  const { terminal, selected } = terminalOf("ab ab", "ab");
  const rows = Array.from({ length: 4 }, () => findText(terminal, "ab", { back: true }) && selected());
  expect(rows.map((place) => place && [place.row, place.column])).toEqual([
    [1, 0],
    [0, 3],
    [0, 0],
    [1, 0],
  ]);
});

test("text over the end of a wrapped row is found, and so is text behind wide characters", () => {
  const wrapped = terminalOf("12345abc", "+def");
  expect(findText(wrapped.terminal, "abcdef")).toBe(true);
  expect(wrapped.selected()).toEqual({ column: 5, row: 0, length: 6 });
  const wide = terminalOf("漢字 ab");
  expect(findText(wide.terminal, "ab")).toBe(true);
  expect(wide.selected()).toEqual({ column: 5, row: 0, length: 2 });
  expect(findText(wide.terminal, "字")).toBe(true);
  expect(wide.selected()).toEqual({ column: 2, row: 0, length: 2 });
});

test("while the user types on, the place stays as long as it matches", () => {
  const { terminal, selected } = terminalOf("abc abd");
  findText(terminal, "ab");
  expect(findText(terminal, "abc", { staysOnMatch: true })).toBe(true);
  expect(selected()).toEqual({ column: 0, row: 0, length: 3 });
  expect(findText(terminal, "abd", { staysOnMatch: true })).toBe(true);
  expect(selected()).toEqual({ column: 4, row: 0, length: 3 });
});

test("text that is not there is reported, and nothing stays selected", () => {
  const { terminal, selected } = terminalOf("abc");
  findText(terminal, "abc");
  expect(findText(terminal, "x")).toBe(false);
  expect(selected()).toBeUndefined();
  expect(findText(terminal, "")).toBe(false);
});
