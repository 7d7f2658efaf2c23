// Decodes JSON messages with a long value of a `bytes` field, as input is. The library parses the text, looks at each of its
// characters for keys that come twice, and decodes base64 in JavaScript: 400 ms for 11 MiB, in which no other client is served.
// Here the runtime decodes such a value, straight from the bytes of the message, and the library gets a message with a
// short placeholder in its place. Whatever is unusual goes to the library as it came, so that it alone refuses messages.

import { randomBytes } from "node:crypto";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { collectBefore, freeNow } from "../memory/garbage.ts";
import { endOfString } from "./json-blanks.ts";

/** Throws for a message that the library refuses. */
type JsonDecode = (json: Uint8Array) => Message;

/**
 * Undefined for a message without a long value of base64, and for one that is to be decoded as a whole or is wrong. Otherwise a
 * message of a megabyte or more is gone afterwards, if it owns its buffer.
 */
export type LongBytesDecode = (json: Uint8Array) => Message | undefined;

/** Shorter values are as fast without this. */
export const LEAST_BASE64_BYTES = 1024;
/** Of base64 that are decoded at a time: a multiple of 4. */
const SLICE_BYTES = 64 * 1024;
/** A message with more strings is not input. */
const MAX_STRINGS = 32;
/** Smaller buffers are left to V8. */
const FREED_BYTES = 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PADDING = 0x3d;

/** No client knows it, so that no value of a client is taken for a placeholder. With the index it has 12 bytes: no padding in base64. */
const SECRET = randomBytes(11);

/** A field of type `bytes`, or a message with such fields. */
interface Step {
  readonly localName: string;
  readonly oneof: string | undefined;
  /** Of the inner message. */
  readonly steps: readonly Step[] | undefined;
}

/** The same as `decode`, for messages with long values. Undefined if messages of this type hold no `bytes`. */
export function longBytesDecode(message: DescMessage, decode: JsonDecode): LongBytesDecode | undefined {
  const steps = stepsTo(message, []);
  if (steps.length === 0) return undefined;
  return (json) => {
    if (json.length < LEAST_BASE64_BYTES) return undefined;
    return decodedApart(Buffer.from(json.buffer, json.byteOffset, json.length), steps, decode);
  };
}

/** Lists, maps and messages within messages of their own type are left to the library. */
function stepsTo(message: DescMessage, outer: readonly DescMessage[]): readonly Step[] {
  if (outer.includes(message)) return [];
  return message.fields.flatMap((field): readonly Step[] => {
    const { localName, oneof } = field;
    const step = { localName, oneof: oneof?.localName };
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES)
      return [{ ...step, steps: undefined }];
    if (field.fieldKind !== "message") return [];
    const steps = stepsTo(field.message, [...outer, message]);
    return steps.length === 0 ? [] : [{ ...step, steps }];
  });
}

function decodedApart(json: Buffer, steps: readonly Step[], decode: JsonDecode): Message | undefined {
  const places = longStrings(json);
  if (places === undefined || places.length === 0) return undefined;
  // The library collects also, for a message that is left to it.
  if (!places.every((place) => canBeBase64(json, place))) return undefined;
  collectBefore(json.length);
  const values: Uint8Array[] = [];
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end } of places) {
    const value = decodedBase64(json.subarray(start, end));
    if (value === undefined) return undefined;
    parts.push(json.subarray(at, start), Buffer.from(placeholder(values.length).toString("base64")));
    values.push(value);
    at = end;
  }
  parts.push(json.subarray(at));
  const message = decodedOr(decode, Buffer.concat(parts));
  if (message === undefined || fill(message, steps, values) < values.length) return undefined;
  if (json.length >= FREED_BYTES && json.length === json.buffer.byteLength) freeNow(json.buffer);
  return message;
}

function decodedOr(decode: JsonDecode, json: Uint8Array): Message | undefined {
  try {
    return decode(json);
  } catch {
    // The error would quote the placeholder.
    return undefined;
  }
}

interface Place {
  /** Behind the quote. */
  readonly start: number;
  /** Of the other quote. */
  readonly end: number;
}

/** Undefined if there are too many strings or escaped quotes, or a string does not end. */
function longStrings(json: Buffer): readonly Place[] | undefined {
  const places: Place[] = [];
  let start = 0;
  for (let count = 0; count < MAX_STRINGS; count++) {
    const quote = json.indexOf(QUOTE, start);
    if (quote < 0) return places;
    const end = endOfString(json, quote + 1);
    if (end === undefined) return undefined;
    if (end - quote > LEAST_BASE64_BYTES) places.push({ start: quote + 1, end });
    start = end + 1;
  }
  return undefined;
}

/** A cheap look. With too much or too little padding, the library cuts bytes off. */
function canBeBase64(json: Buffer, { start, end }: Place): boolean {
  const text = json.subarray(start, end);
  const length = unpaddedLength(text);
  if (length % 4 === 1 || (length < text.length && text.length % 4 !== 0)) return false;
  return text.indexOf(BACKSLASH) < 0;
}

function unpaddedLength(text: Buffer): number {
  let { length } = text;
  while (length > 0 && text.length - length < 2 && text[length - 1] === PADDING) length--;
  return length;
}

/** Undefined for everything that is not plain base64, of either alphabet: blanks, signs, padding within it. */
function decodedBase64(text: Buffer): Uint8Array | undefined {
  const length = unpaddedLength(text);
  const bytes = Buffer.allocUnsafeSlow(Math.floor((length * 3) / 4));
  let written = 0;
  for (let at = 0; at < length; at += SLICE_BYTES) {
    const slice = text.toString("latin1", at, Math.min(length, at + SLICE_BYTES));
    const expected = Math.floor((slice.length * 3) / 4);
    // The runtime skips what is not base64, and is short then.
    if (bytes.write(slice, written, expected, "base64") !== expected) return undefined;
    written += expected;
  }
  return new Uint8Array(bytes.buffer);
}

function placeholder(index: number): Buffer {
  return Buffer.concat([SECRET, Buffer.of(index)]);
}

/** Puts `values` in the place of their placeholders. Returns how many were found. */
function fill(message: unknown, steps: readonly Step[], values: readonly Uint8Array[]): number {
  let count = 0;
  for (const { localName, oneof, steps: inner } of steps) {
    const owner = (oneof === undefined ? message : Reflect.get(message as object, oneof)) as object;
    if (oneof !== undefined && Reflect.get(owner, "case") !== localName) continue;
    const key = oneof === undefined ? localName : "value";
    const present: unknown = Reflect.get(owner, key);
    if (inner !== undefined) {
      if (present !== undefined) count += fill(present, inner, values);
      continue;
    }
    const value = valueFor(present, values);
    if (value === undefined) continue;
    Reflect.set(owner, key, value);
    count++;
  }
  return count;
}

function valueFor(present: unknown, values: readonly Uint8Array[]): Uint8Array | undefined {
  if (!(present instanceof Uint8Array) || present.length !== SECRET.length + 1) return undefined;
  return SECRET.equals(present.subarray(0, SECRET.length)) ? values[present[SECRET.length] ?? 0] : undefined;
}
