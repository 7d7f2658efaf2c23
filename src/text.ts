// Text from clients and other programs: counted in characters, shortened, and made safe to show. A character is a code
// point: an emoji is one character and two UTF-16 units.

/** Clients choose how long their texts are. This is how many characters of one a log line or a message shows. */
const MAX_SHOWN = 200;

/** The code points of `text`. Half a surrogate pair counts as one. */
export function countCharacters(text: string): number {
  let count = text.length;
  for (let index = 1; index < text.length; index++) if (isInsideCharacter(text, index)) count--;
  return count;
}

/** The number of characters that a text may have. */
export interface TextLimit {
  readonly most: number;
  /** Default: 1. */
  readonly least?: number;
}

/** The rest of a message that begins with the name of `text`: how many characters it has and may have. Undefined if it is within the limit. */
export function lengthProblem(text: string, { most, least = 1 }: TextLimit): string | undefined {
  // A text cannot have more characters than units, so the usual one is not counted.
  if (text.length <= most && text.length >= 2 * least) return undefined;
  const count = countCharacters(text);
  if (count >= least && count <= most) return undefined;
  return least === 0
    ? `has ${count} characters; the limit is ${most}`
    : `has ${count} characters, must have ${least} to ${most}`;
}

/** The beginning of `text`, at most 200 characters and an ellipsis. */
export function clip(text: string): string {
  const end = endOfCharacters(text, MAX_SHOWN);
  return end === text.length ? text : `${text.slice(0, end)}…`;
}

/** The beginning and the end of `text`, together at most `most` characters and " … ". */
export function clipMiddle(text: string, most: number): string {
  if (endOfCharacters(text, most) === text.length) return text;
  const half = Math.floor(most / 2);
  return `${text.slice(0, endOfCharacters(text, half))} … ${text.slice(startOfCharacters(text, half))}`;
}

/** `text` on one line: each run of line breaks and other control characters becomes one space. */
export function oneLine(text: string): string {
  return text.trim().replace(/\p{Cc}+/gu, " ");
}

/** The message of a thrown value, which may have any type. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The index after the first `count` characters; the length of `text` if it has no more. */
function endOfCharacters(text: string, count: number): number {
  if (text.length <= count) return text.length;
  let index = 0;
  for (let left = count; left > 0 && index < text.length; left--)
    index += isInsideCharacter(text, index + 1) ? 2 : 1;
  return index;
}

/** The index before the last `count` characters; 0 if `text` has no more. */
function startOfCharacters(text: string, count: number): number {
  let index = text.length;
  for (let left = count; left > 0 && index > 0; left--) index -= isInsideCharacter(text, index - 1) ? 2 : 1;
  return index;
}

/** Whether `index` is between the two halves of a surrogate pair. */
function isInsideCharacter(text: string, index: number): boolean {
  const before = text.charCodeAt(index - 1);
  const after = text.charCodeAt(index);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}
