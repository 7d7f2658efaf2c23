// Finds text in the output of a terminal and selects it. Upper and lower case are the same. A line that the terminal
// wrapped is one text. At the last match, the search continues with the first one, and the reverse.

/** The parts of xterm.js's terminal that are used. */
export interface SearchedTerminal {
  readonly rows: number;
  readonly buffer: { readonly active: SearchedBuffer };
  getSelectionPosition(): { readonly start: { readonly x: number; readonly y: number } } | undefined;
  clearSelection(): void;
  select(column: number, row: number, length: number): void;
  scrollToLine(row: number): void;
}

interface SearchedBuffer {
  readonly length: number;
  readonly viewportY: number;
  getLine(row: number): SearchedRow | undefined;
}

interface SearchedRow {
  readonly length: number;
  readonly isWrapped: boolean;
  translateToString(trimRight?: boolean): string;
  getCell(column: number): { getWidth(): number; getChars(): string } | undefined;
}

/** A line of output: one row of the terminal or several. */
interface Line {
  readonly firstRow: number;
  readonly rows: readonly SearchedRow[];
  readonly text: string;
}

export interface FindOptions {
  readonly back?: boolean;
  /** The selected place counts also: the user still types. */
  readonly staysOnMatch?: boolean;
}

/** Selects and shows the next place with `wanted`. False: there is none, and nothing is selected. */
export function findText(terminal: SearchedTerminal, wanted: string, options: FindOptions = {}): boolean {
  const { back = false, staysOnMatch = false } = options;
  const { active } = terminal.buffer;
  const text = folded(wanted);
  const selected = terminal.getSelectionPosition()?.start;
  const from = lineAt(active, Math.min(selected?.y ?? active.viewportY, active.length - 1));
  if (text === "" || from === undefined) return false;
  const at = selected === undefined ? -1 : indexOf(from, selected.y, selected.x);
  const least = staysOnMatch ? at : at + 1;
  // `lastIndexOf` takes a negative place for 0.
  const first = back ? (at < 1 ? -1 : from.text.lastIndexOf(text, at - 1)) : from.text.indexOf(text, least);
  if (first >= 0) return show(terminal, from, first, text.length);
  for (const line of linesBeside(active, from, back)) {
    const index = back ? line.text.lastIndexOf(text) : line.text.indexOf(text);
    if (index >= 0) return show(terminal, line, index, text.length);
  }
  terminal.clearSelection();
  return false;
}

/** All other lines, and `from` itself at last. */
function* linesBeside(buffer: SearchedBuffer, from: Line, back: boolean): Generator<Line> {
  let line: Line | undefined = from;
  do {
    const row: number = back ? line.firstRow - 1 : line.firstRow + line.rows.length;
    line = lineAt(buffer, (row + buffer.length) % buffer.length);
    if (line !== undefined) yield line;
  } while (line !== undefined && line.firstRow !== from.firstRow);
}

/** The line that the row belongs to. */
function lineAt(buffer: SearchedBuffer, row: number): Line | undefined {
  let firstRow = row;
  while (firstRow > 0 && buffer.getLine(firstRow)?.isWrapped) firstRow--;
  const first = buffer.getLine(firstRow);
  if (first === undefined) return undefined;
  const rows = [first];
  for (let next = firstRow + 1; ; next++) {
    const wrapped = buffer.getLine(next);
    if (wrapped === undefined || !wrapped.isWrapped) break;
    rows.push(wrapped);
  }
  const text = rows.map((part, index) => part.translateToString(index === rows.length - 1)).join("");
  return { firstRow, rows, text: folded(text) };
}

/** In lower case, with the same length: the place of a character must not move. */
function folded(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text;
}

function show(terminal: SearchedTerminal, line: Line, index: number, length: number): boolean {
  const start = placeOf(line, index);
  const end = placeOf(line, index + length);
  const columns = (end.row - start.row) * (line.rows[0]?.length ?? 0) + end.column - start.column;
  terminal.select(start.column, start.row, columns);
  const { viewportY } = terminal.buffer.active;
  if (start.row < viewportY || start.row >= viewportY + terminal.rows)
    terminal.scrollToLine(Math.max(0, start.row - Math.floor(terminal.rows / 2)));
  return true;
}

/** Where a character of the line is on the screen: a cell can hold two of them, or half of one. */
function placeOf({ firstRow, rows }: Line, index: number): { row: number; column: number } {
  let left = index;
  for (const [at, row] of rows.entries())
    for (let column = 0; column < row.length; column++) {
      const characters = charactersIn(row, column);
      // Not the second half of a wide character.
      if (left <= 0 && characters > 0) return { row: firstRow + at, column };
      left -= characters;
    }
  return { row: firstRow + rows.length - 1, column: rows.at(-1)?.length ?? 0 };
}

/** The character of the line at a place on the screen. */
function indexOf({ firstRow, rows }: Line, row: number, column: number): number {
  let index = 0;
  for (const [at, each] of rows.entries())
    for (let x = 0; x < each.length; x++) {
      if (firstRow + at === row && x >= column) return index;
      index += charactersIn(each, x);
    }
  return index;
}

/** 0 for the second half of a wide character. An empty cell is a space. */
function charactersIn(row: SearchedRow, column: number): number {
  const cell = row.getCell(column);
  if (cell === undefined || cell.getWidth() === 0) return 0;
  return Math.max(1, cell.getChars().length);
}
