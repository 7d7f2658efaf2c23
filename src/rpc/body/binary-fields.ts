// Counts the fields of a message in protobuf's binary format while it arrives, without decoding it. Two bytes are a field, and
// 16 MiB of empty arguments were 200 MB, and stopped the event loop for 4 s.

import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

const VARINT = 0;
const BITS_64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const BITS_32 = 5;
const HIGHEST_WIRE_TYPE = 5;

/** Tags and lengths have 32 bits. The decoder reads up to ten bytes of 7 bits and ignores the bits above. */
const MAX_FACTOR = 2 ** 28;
const UINT32 = 2 ** 32;

/** A message inside which the next field is. */
interface Level {
  readonly message: DescMessage;
  /** Offset in the whole message. */
  readonly end: number;
}

/** The part of a message that the next byte belongs to. */
type Part = "tag" | "number" | "length";

export class BinaryFields {
  #count = 0;
  #groups = 0;
  /** The innermost last. */
  readonly #levels: Level[];
  #offset = 0;
  #skippedUntil = 0;
  #part: Part = "tag";
  /** The field of the last tag; undefined if the message has no such field. */
  #field: DescField | undefined;
  /** The bits so far of a tag or length. */
  #bits = 0;
  #factor = 1;
  /** The decoder refuses the message at the same byte. */
  #isMalformed = false;

  constructor(message: DescMessage) {
    this.#levels = [{ message, end: Number.POSITIVE_INFINITY }];
  }

  /** How many groups and messages are open. */
  get depth(): number {
    return this.#groups + this.#levels.length;
  }

  /** Takes the next bytes of the message. Returns the number of fields so far, those of inner messages included. */
  add(piece: Uint8Array): number {
    let at = 0;
    while (at < piece.length && !this.#isMalformed) {
      const skipped = Math.min(this.#skippedUntil - this.#offset, piece.length - at);
      if (skipped > 0) {
        at += skipped;
        this.#offset += skipped;
        continue;
      }
      if (this.#part === "tag" && this.#factor === 1) this.#leaveLevels();
      this.#offset++;
      this.#take(piece[at++] ?? 0);
    }
    return this.#count;
  }

  #take(byte: number): void {
    if (this.#part === "number") {
      if (byte < 0x80) this.#part = "tag";
      return;
    }
    if (this.#factor <= MAX_FACTOR) this.#bits += (byte & 0x7f) * this.#factor;
    this.#factor *= 0x80;
    if (byte >= 0x80) return;
    const value = this.#bits % UINT32;
    this.#bits = 0;
    this.#factor = 1;
    if (this.#part === "tag") this.#takeTag(value);
    else this.#takeLength(value);
  }

  #takeTag(tag: number): void {
    this.#count++;
    const number = Math.floor(tag / 8);
    this.#field = this.#levels.at(-1)?.message.fields.find((field) => field.number === number);
    const wireType = this.#field === undefined ? tag % 8 : wireTypeOf(this.#field, tag % 8);
    if (wireType > HIGHEST_WIRE_TYPE) this.#isMalformed = true;
    else if (wireType === VARINT) this.#part = "number";
    else if (wireType === LENGTH_DELIMITED) this.#part = "length";
    else if (wireType === BITS_64) this.#skippedUntil = this.#offset + 8;
    else if (wireType === BITS_32) this.#skippedUntil = this.#offset + 4;
    else if (wireType === START_GROUP) this.#groups++;
    else if (wireType === END_GROUP) this.#groups--;
    // The fields of a group follow its tag, and are counted like those around it.
  }

  #takeLength(length: number): void {
    this.#part = "tag";
    const end = this.#offset + length;
    const field = this.#field;
    if (field?.message !== undefined && field.fieldKind !== "map")
      this.#levels.push({ message: field.message, end });
    else this.#skippedUntil = end;
    // The numbers of a packed list have at least one byte each.
    if (field?.fieldKind === "list" && field.message === undefined && !isText(field)) this.#count += length;
  }

  #leaveLevels(): void {
    while ((this.#levels.at(-1)?.end ?? Number.POSITIVE_INFINITY) <= this.#offset) this.#levels.pop();
  }
}

/** The decoder uses the kind of a known field and ignores that of the tag, except for packed lists. */
function wireTypeOf(field: DescField, wireType: number): number {
  if (field.message !== undefined || field.fieldKind === "map" || isText(field)) return LENGTH_DELIMITED;
  if (field.fieldKind === "list" && wireType === LENGTH_DELIMITED) return LENGTH_DELIMITED;
  switch (field.scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return BITS_64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return BITS_32;
    default:
      return VARINT;
  }
}

function isText({ scalar }: DescField): boolean {
  return scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
}
