// Lays out rows as columns of text. The last column gets the rest of the width and is truncated there.

import stringWidth from "string-width";

export interface Column {
  readonly heading: string;
  readonly align: "left" | "right";
}

const SPACING = "  ";
/** The last column gets at least this width, also where the other columns leave less. */
const MIN_LAST_WIDTH = 8;

/** `text` and as many blanks as `width` cells need. */
export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}

/** Returns lines without line breaks, the headings first. Without `width` nothing is truncated. */
export function layOut(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width?: number,
): string[] {
  const headings = columns.map(({ heading }) => heading);
  const lines = [headings, ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => stringWidth(line[at] ?? ""))));
  const lastWidth =
    width === undefined ? undefined : Math.max(MIN_LAST_WIDTH, width - sum(widths.slice(0, -1)));
  return lines.map((line) => {
    const fitted = line.map((text, at) => {
      if (at === columns.length - 1) return lastWidth === undefined ? text : truncate(text, lastWidth);
      const padding = " ".repeat((widths[at] ?? 0) - stringWidth(text));
      return columns[at]?.align === "right" ? padding + text : text + padding;
    });
    return fitted.join(SPACING).trimEnd();
  });
}

function sum(widths: readonly number[]): number {
  return widths.reduce((total, width) => total + width + SPACING.length, 0);
}

/** The name of a program must not move the cursor of a person who lists it. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

/** The beginning of one line that is at most `width` cells wide, with an ellipsis if something is missing. */
export function truncate(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let shown = "";
  let used = 0;
  // Made here: it takes 5 ms, and most tables need none.
  for (const { segment } of new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text)) {
    used += stringWidth(segment);
    // One cell is for the ellipsis.
    if (used > width - 1) break;
    shown += segment;
  }
  return `${shown}…`;
}
