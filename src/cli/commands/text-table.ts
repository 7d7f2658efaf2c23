// Lays out rows as columns of text. The last column takes what is left of the width and is cut there.

export interface Column {
  readonly heading: string;
  readonly align: "left" | "right";
}

const GAP = "  ";
/** Of the last column this much is shown even where the width leaves less. */
const LEAST_CELLS = 8;

/** Lines without line breaks, the headings first. Without `width` nothing is cut. */
export function layOut(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width?: number,
): string[] {
  const headings = columns.map(({ heading }) => heading);
  const lines = [headings, ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => cells(line[at] ?? ""))));
  const lastWidth = width === undefined ? undefined : Math.max(LEAST_CELLS, width - sum(widths.slice(0, -1)));
  return lines.map((line) => {
    const fitted = line.map((text, at) => {
      if (at === columns.length - 1) return lastWidth === undefined ? text : cut(text, lastWidth);
      const padding = " ".repeat((widths[at] ?? 0) - cells(text));
      return columns[at]?.align === "right" ? padding + text : text + padding;
    });
    return fitted.join(GAP).trimEnd();
  });
}

function sum(widths: readonly number[]): number {
  return widths.reduce((total, width) => total + width + GAP.length, 0);
}

/** What a program is called must not move the cursor of who lists it. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

function cut(text: string, width: number): string {
  if (cells(text) <= width) return text;
  let shown = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += cellsOf(segment);
    // One is kept for the mark.
    if (used > width - 1) break;
    shown += segment;
  }
  return `${shown}…`;
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

function cells(text: string): number {
  let total = 0;
  for (const { segment } of graphemes.segment(text)) total += cellsOf(segment);
  return total;
}

/** East Asian scripts and emoji take two cells. */
function cellsOf(grapheme: string): number {
  return /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]/u.test(
    grapheme,
  )
    ? 2
    : 1;
}
