// @ts-check
// Puts a few instructions in front of Node (entry/*.S): they store which signals were ignored when
// the program began, for launcher-report.mjs. They go behind the code of the largest executable
// segment, where the file has padding; the result goes behind Node's variables.
//
// After a change of a source: `gcc -c -o x.o entry/x64.S && objcopy -O binary -j .text x.o x.bin`, for
// arm64 with the tools of aarch64-linux-gnu, and base64 here. A test compares them.

import { PF_X, PT_LOAD, readEntry, readSegments, writeEntry } from "./elf.mjs";

/** Machine code, base64. The last 16 bytes are the two addresses. */
export const ENTRY_CODE = {
  x64: "UkiD7CAx270BAAAAuA0AAACJ7zH2SIniQboIAAAADwWFwHUVSIM8JAF1Do1N/7gBAAAASNPgSAnD/8WD/UF1zEiLBRkAAABIiRhIg8QgWjHt/yUBAAAAzAAAAAAAAAAAAAAAAAAAAAA=",
  arm64:
    "/8MA0eATAPkTAIDSNACA0sgQgNLgAxSqAQCA0uIDAJEDAYDSAQAA1AABALXkA0D5nwQA8aEAAFSFBgDRJgCA0sYgxZpzAgaqlAYAkZ8GAfEB/v9UJAEAWJMAAPngE0D5/8MAkWQAAFiAAB/WHyAD1QAAAAAAAAAAAAAAAAAAAAA=",
};

const RESULT_BYTES = 8;
const ALIGNMENT = 16;

/** @typedef {import("./elf.mjs").Segment} Segment */

/**
 * Where the result is in memory. The same for Node's executable and for ours.
 * @param {Buffer} image
 */
export function resultAddress(image) {
  const variables = last(readSegments(image));
  return roundUp(variables.address + variables.memoryBytes, RESULT_BYTES);
}

/**
 * Changes `image`, and returns its segments with the room for both.
 * @param {Buffer} image
 * @param {keyof typeof ENTRY_CODE} arch
 */
export function insertEntry(image, arch) {
  const segments = readSegments(image);
  const [code] = segments
    .filter(({ type, flags }) => type === PT_LOAD && (flags & PF_X) !== 0)
    .sort((a, b) => b.fileBytes - a.fileBytes);
  if (code === undefined) throw new Error("no segment is executable");
  const machineCode = Buffer.from(ENTRY_CODE[arch], "base64");
  const start = roundUp(code.address + code.fileBytes, ALIGNMENT);
  const bytes = start + machineCode.length - code.address;
  const next = Math.min(
    ...segments.map(({ offset }) => offset).filter((offset) => offset >= code.offset + code.fileBytes),
  );
  if (code.offset + bytes > next) throw new Error("no room behind the code");

  const result = resultAddress(image);
  machineCode.writeBigUInt64LE(BigInt(readEntry(image)), machineCode.length - 16);
  machineCode.writeBigUInt64LE(BigInt(result), machineCode.length - 8);
  machineCode.copy(image, code.offset + start - code.address);
  writeEntry(image, start);
  const variables = last(segments);
  return segments.map((segment) => {
    if (segment === code) return { ...segment, fileBytes: bytes, memoryBytes: bytes };
    if (segment === variables) return { ...segment, memoryBytes: result + RESULT_BYTES - segment.address };
    return segment;
  });
}

/** @param {readonly Segment[]} segments */
function last(segments) {
  const found = segments.filter(({ type }) => type === PT_LOAD).at(-1);
  if (found === undefined) throw new Error("no segment is loaded");
  return found;
}

/**
 * @param {number} value
 * @param {number} step
 */
function roundUp(value, step) {
  return Math.ceil(value / step) * step;
}
