// Refuses requests that cannot be sent. Without this, each try of such a request looks like a lost connection, and over
// HTTP/2 the other side drops a malformed header: an If-Match would not be checked.

import { ClientError } from "../client-errors.ts";

/** RFC 9110, 5.1. */
const NAME = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
/** RFC 9110, 5.5: no control characters, and bytes instead of characters. */
const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/u;

/** Throws `invalid_argument` with the name of a header that HTTP does not allow. The value may be a secret. */
export function assertHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name))
      throw new ClientError(
        "invalid_argument",
        `${JSON.stringify(name)} cannot be the name of an HTTP header`,
      );
    const problem = unsendableIn(value);
    if (problem !== undefined)
      throw new ClientError("invalid_argument", `the header ${name} cannot be sent: it has ${problem}`);
  }
}

/** Says which character of `value` a header cannot hold, and where. Undefined if there is none. */
export function unsendableIn(value: string): string | undefined {
  const found = UNSENDABLE.exec(value);
  if (found === null) return undefined;
  const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `the character U+${code} at index ${found.index}`;
}

/** Throws `invalid_argument` if `text` has half of a surrogate pair, in whose place UTF-8 would have another character. */
export function assertText(name: string, text: string): void {
  if (/\p{Surrogate}/u.test(text))
    throw new ClientError("invalid_argument", `${name} ${JSON.stringify(text)} has half of a surrogate pair`);
}
