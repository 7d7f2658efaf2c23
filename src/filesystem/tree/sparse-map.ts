// Where the data of a file with holes belongs. The archive has the parts one after the other, without the holes, and a map in
// one of GNU tar's four formats: in blocks after the header (the default of `tar --sparse`), in records of pax (0.0 and 0.1),
// or as decimal lines at the beginning of the content (1.0, which this agent writes).

import { HoldfastError } from "../../errors.ts";
import type { Extent } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { BLOCK_BYTES, numberIn } from "./archive-header.ts";

/** The map is kept in memory: 16 bytes for each part. */
export const MAX_PARTS = 65_536;

/** Format 1.0. Ends with an empty part where the file ends with a hole. */
export function encodeMap(extents: readonly Extent[], size: number): Buffer {
  const last = extents.at(-1);
  const parts = last === undefined || last.end < size ? [...extents, { start: size, end: size }] : extents;
  const lines = [parts.length, ...parts.flatMap(({ start, end }) => [start, end - start])];
  const text = Buffer.from(`${lines.join("\n")}\n`);
  return Buffer.concat([text, Buffer.alloc(-text.length & (BLOCK_BYTES - 1))]);
}

/** Where each part begins and ends, one after the other; parts have at least one byte. */
export type SparseMap = readonly number[];

/** Collects the parts of a file. Throws `invalid_argument` for a map that cannot be one. */
export class SparseParts {
  readonly #name: string;
  readonly #bounds: number[] = [];
  #count = 0;
  #end = 0;
  #bytes = 0;

  /** `name`: of the file, for messages. */
  constructor(name: string) {
    this.#name = name;
  }

  add(start: number | undefined, bytes: number | undefined): void {
    if (start === undefined || bytes === undefined || start < 0 || bytes < 0)
      throw this.malformed("a position is not a number");
    if (++this.#count > MAX_PARTS)
      throw this.malformed(`it has more than ${MAX_PARTS} parts; create the archive without --sparse`);
    const end = start + bytes;
    if (start < this.#end) throw this.malformed(`its parts overlap, or are not in order, at byte ${start}`);
    if (!Number.isSafeInteger(end)) throw this.malformed("a position is too large");
    this.#end = end;
    this.#bytes += bytes;
    if (bytes > 0) this.#bounds.push(start, end);
  }

  /** `size`: of the file; `dataBytes`: of its parts in the archive. */
  finish(size: number | undefined, dataBytes: number): SparseMap {
    if (size === undefined || size < 0) throw this.malformed("it has no valid size of the file");
    if (this.#end > size) throw this.malformed(`a part ends at byte ${this.#end} of a file of ${size} bytes`);
    if (this.#bytes !== dataBytes)
      throw this.malformed(`its parts have ${this.#bytes} bytes, and the archive has ${dataBytes} of them`);
    return this.#bounds;
  }

  malformed(problem: string): HoldfastError {
    return new HoldfastError(
      "invalid_argument",
      `the map of the sparse file "${clip(this.#name)}" in the archive is malformed: ${problem}`,
    );
  }
}

/** In the header and in the blocks after it: each part is two fields of 12 bytes. */
const FIELD_BYTES = 12;
const IN_HEADER = { at: 386, parts: 4, moreAt: 482 };
const IN_EXTENSION = { at: 0, parts: 21, moreAt: 504 };
const REAL_SIZE_AT = 483;

/** Takes the parts in a header of GNU's own format. Returns whether a block with more of them follows. */
export function takeHeaderParts(header: Buffer, parts: SparseParts): boolean {
  return takeParts(header, IN_HEADER, parts);
}

export function takeExtensionParts(block: Buffer, parts: SparseParts): boolean {
  return takeParts(block, IN_EXTENSION, parts);
}

export function realSizeIn(header: Buffer): number | undefined {
  return numberIn(header, [REAL_SIZE_AT, FIELD_BYTES]);
}

function takeParts(block: Buffer, layout: typeof IN_HEADER, parts: SparseParts): boolean {
  for (let index = 0; index < layout.parts; index++) {
    const at = layout.at + index * 2 * FIELD_BYTES;
    // The end of the list: an empty part has a zero as text.
    if (block[at + FIELD_BYTES] === 0) break;
    parts.add(numberIn(block, [at, FIELD_BYTES]), numberIn(block, [at + FIELD_BYTES, FIELD_BYTES]));
  }
  return block[layout.moreAt] !== 0;
}

/** Decimal; undefined for something else, and above 2^53. */
export function decimal(text: string): number | undefined {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Takes format 0.1: numbers with commas between them. */
export function takeListedParts(list: string, parts: SparseParts): void {
  const numbers = list === "" ? [] : list.split(",", 2 * MAX_PARTS + 2);
  if (numbers.length % 2 !== 0) throw parts.malformed("its last part has no length");
  for (let index = 0; index < numbers.length; index += 2)
    parts.add(decimal(numbers[index] ?? ""), decimal(numbers[index + 1] ?? ""));
}

const LINE_FEED = 0x0a;
const MAX_DIGITS = 16;

/** Takes format 1.0 block by block: lines with how many parts there are, and where each begins and how long it is. */
export class MapLines {
  readonly #parts: SparseParts;
  #line = "";
  #missing: number | undefined;
  #start: number | undefined;

  constructor(parts: SparseParts) {
    this.#parts = parts;
  }

  /** Returns whether the map ends in this block, whose rest is padding. */
  take(block: Buffer): boolean {
    for (const byte of block) {
      if (this.#missing === 0) return true;
      if (byte !== LINE_FEED) this.#line += String.fromCharCode(byte);
      else this.#takeNumber(decimal(this.#line));
      if (this.#line.length > MAX_DIGITS) this.#takeNumber(undefined);
    }
    return this.#missing === 0;
  }

  #takeNumber(number: number | undefined): void {
    if (number === undefined) throw this.#parts.malformed(`"${clip(this.#line)}" is not a number`);
    this.#line = "";
    if (this.#missing === undefined) {
      if (number > MAX_PARTS)
        throw this.#parts.malformed(
          `it has more than ${MAX_PARTS} parts; create the archive without --sparse`,
        );
      this.#missing = number;
    } else if (this.#start === undefined) this.#start = number;
    else {
      this.#parts.add(this.#start, number);
      this.#start = undefined;
      this.#missing--;
    }
  }
}
