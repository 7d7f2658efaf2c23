// Text from clients and other programs, shortened and made safe to show.

/** Clients choose how long their texts are. This is how much of one a log line or a message shows, in UTF-16 units. */
const MAX_SHOWN = 200;

/** The beginning of `text`, at most 200 UTF-16 units and an ellipsis. Never splits a character. */
export function clip(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, wholeCharacters(text, MAX_SHOWN))}…`;
}

/** The beginning and the end of `text`, together at most `maxLength` UTF-16 units and " … ". Never splits a character. */
export function clipMiddle(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const half = Math.floor(maxLength / 2);
  const end = text.length - half;
  const endStart = isInsideCharacter(text, end) ? end + 1 : end;
  return `${text.slice(0, wholeCharacters(text, half))} … ${text.slice(endStart)}`;
}

/** `text` on one line: each run of line breaks and other control characters becomes one space. */
export function oneLine(text: string): string {
  return text.trim().replace(/\p{Cc}+/gu, " ");
}

/** The message of a thrown value, which may have any type. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The largest length, at most `length`, that does not end inside a surrogate pair. */
function wholeCharacters(text: string, length: number): number {
  return isInsideCharacter(text, length) ? length - 1 : length;
}

/** Whether `index` is between the two halves of a surrogate pair. */
function isInsideCharacter(text: string, index: number): boolean {
  const before = text.charCodeAt(index - 1);
  const after = text.charCodeAt(index);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}
