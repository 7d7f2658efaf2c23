// The Range header (RFC 9110, 14): which parts of a file an answer has.

/** Both ends included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** "whole": no range, or one that is ignored. "unsatisfiable": no range begins within the file. */
export type RangeChoice = "whole" | "unsatisfiable" | readonly ByteRange[];

/** More ranges than this, or ranges that overlap to more than the file, are ignored: they only cost work. */
const MAX_RANGES = 32;

/** A header that is malformed, or of another unit than bytes, is ignored, as the RFC allows. */
export function chooseRanges(header: string | undefined, size: number): RangeChoice {
  const [, list] = /^\s*bytes\s*=(.*)$/i.exec(header ?? "") ?? [];
  if (list === undefined) return "whole";
  const specs = list
    .split(",", MAX_RANGES + 1)
    .map((spec) => spec.trim())
    .filter((spec) => spec !== "");
  if (specs.length === 0 || specs.length > MAX_RANGES) return "whole";
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = parse(spec, size);
    if (range === undefined) return "whole";
    if (range !== "outside") ranges.push(range);
  }
  if (ranges.length === 0) return "unsatisfiable";
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  return bytes > size ? "whole" : ranges;
}

function parse(spec: string, size: number): ByteRange | "outside" | undefined {
  const [, from, to] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return undefined;
  if (from === "") {
    const length = Math.min(Number(to), size);
    return length === 0 ? "outside" : { start: size - length, end: size - 1 };
  }
  const start = Number(from);
  if (to !== "" && Number(to) < start) return undefined;
  if (start >= size) return "outside";
  return { start, end: to === "" ? size - 1 : Math.min(Number(to), size - 1) };
}
