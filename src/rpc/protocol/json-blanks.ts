// Cuts long runs of blanks out of JSON. They mean nothing, but everything that reads the message reads each of them: 16 MiB
// take 300 ms, and as much memory again as text.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Shorter runs stay, so that an error's position is right for what people write. */
export const LEAST_RUN_BYTES = 128;
/** One byte in so many is looked at, so that two of a long run are. */
const STEP_BYTES = 64;
/** A message with more strings is left as it is: each costs two searches. */
const MAX_STRINGS = 20_000;
/** For one string. Each costs another search. */
const MAX_ESCAPED_QUOTES = 32;

/** Returns `json` itself if there is nothing to cut, or if it has too many strings to look at. */
export function withoutLongBlanks(json: Buffer): Buffer {
  const parts: Buffer[] = [];
  let kept = 0;
  let at = 0;
  for (let strings = 0; strings < MAX_STRINGS; strings++) {
    const quote = json.indexOf(QUOTE, at);
    const gapEnd = quote < 0 ? json.length : quote;
    if (gapEnd - at >= LEAST_RUN_BYTES) kept = cutGap(json, { start: at, end: gapEnd }, kept, parts);
    const end = quote < 0 ? undefined : endOfString(json, quote + 1);
    if (end === undefined) break;
    at = end + 1;
  }
  if (parts.length === 0) return json;
  parts.push(json.subarray(kept));
  return Buffer.concat(parts);
}

interface Gap {
  readonly start: number;
  readonly end: number;
}

/** Adds to `parts` what is before each long run in the gap, from `kept` on. Returns the end of the last run. */
function cutGap(json: Buffer, { start, end }: Gap, kept: number, parts: Buffer[]): number {
  let keptEnd = kept;
  for (let at = start; at < end; at += STEP_BYTES) {
    if (!isBlank(json[at])) continue;
    let runStart = at;
    while (runStart > start && isBlank(json[runStart - 1])) runStart--;
    while (at < end && isBlank(json[at])) at++;
    if (at - runStart < LEAST_RUN_BYTES) continue;
    // One stays: it can be what separates two tokens.
    parts.push(json.subarray(keptEnd, runStart + 1));
    keptEnd = at;
  }
  return keptEnd;
}

/** The four of RFC 8259. */
function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** The index of the quote. Undefined if the string does not end, or has too many escaped quotes. */
export function endOfString(json: Buffer, start: number): number | undefined {
  let quote = json.indexOf(QUOTE, start);
  for (let escaped = 0; quote >= 0 && escaped <= MAX_ESCAPED_QUOTES; escaped++) {
    let backslashes = 0;
    while (quote - backslashes > start && json[quote - backslashes - 1] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote;
    quote = json.indexOf(QUOTE, quote + 1);
  }
  return undefined;
}
