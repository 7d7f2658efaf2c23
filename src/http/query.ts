// The query of a request's target, decoded to bytes: file names need not be UTF-8.

import { HoldfastError } from "../errors.ts";
import { clip } from "../text.ts";
import type { NodeRequest } from "./exchange.ts";

/** More parameters than any endpoint has. */
const MAX_PARAMETERS = 256;

export interface Query {
  /** The only value of the parameter. Throws `invalid_argument` if it is given twice. */
  bytes(name: string): Buffer | undefined;
  /** The same as text, with U+FFFD for bytes that are not UTF-8. */
  text(name: string): string | undefined;
  /** All values of a parameter that may be repeated. */
  all(name: string): string[];
  readonly names: readonly string[];
}

/** As in a form: `+` is a space. Throws `invalid_argument` for a `%` without two hexadecimal digits. */
export function queryOf({ url = "" }: Pick<NodeRequest, "url">): Query {
  const start = url.indexOf("?");
  const parts = start < 0 ? [] : url.slice(start + 1).split("&", MAX_PARAMETERS + 1);
  if (parts.length > MAX_PARAMETERS)
    throw new HoldfastError("invalid_argument", `the query has more than ${MAX_PARAMETERS} parameters`);
  const values = new Map<string, Buffer[]>();
  for (const part of parts) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = decode(equals < 0 ? part : part.slice(0, equals)).toString();
    const value = decode(equals < 0 ? "" : part.slice(equals + 1));
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  const bytes = (name: string): Buffer | undefined => {
    const found = values.get(name) ?? [];
    if (found.length > 1)
      throw new HoldfastError(
        "invalid_argument",
        `the parameter "${clip(name)}" is given ${found.length} times`,
      );
    return found[0];
  };
  return {
    bytes,
    text: (name) => bytes(name)?.toString(),
    all: (name) => (values.get(name) ?? []).map(String),
    names: [...values.keys()],
  };
}

function decode(text: string): Buffer {
  const plain = text.replaceAll("+", " ");
  if (!plain.includes("%")) return Buffer.from(plain);
  if (/%(?![\da-f]{2})/i.test(plain))
    throw new HoldfastError(
      "invalid_argument",
      `the query has a "%" without two hexadecimal digits: "${clip(text)}"`,
    );
  // Node passes bytes above 0x7F of the target on as latin1; here they are UTF-8 already or percent-encoded.
  const pieces = plain.split(/((?:%[\da-f]{2})+)/i);
  return Buffer.concat(
    pieces.map((piece) =>
      piece.startsWith("%") ? Buffer.from(piece.replaceAll("%", ""), "hex") : Buffer.from(piece),
    ),
  );
}
