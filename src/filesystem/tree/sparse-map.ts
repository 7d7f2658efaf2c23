// Files with holes in archives: the POSIX format 1.0 of GNU tar. The entry's content begins with a map of decimal lines
// (how many parts; offset and length of each), padded to 512 bytes; the parts follow without the holes.

import { HoldfastError } from "../../errors.ts";
import type { Extent } from "../../linux/index.ts";

const BLOCK_BYTES = 512;
/** A longer map is refused: it is kept in memory. */
const MAX_MAP_BYTES = 1024 * 1024;

/** Ends with an empty part where the file ends with a hole. */
export function encodeMap(extents: readonly Extent[], size: number): Buffer {
  const last = extents.at(-1);
  const parts = last === undefined || last.end < size ? [...extents, { start: size, end: size }] : extents;
  const lines = [parts.length, ...parts.flatMap(({ start, end }) => [start, end - start])];
  const text = Buffer.from(`${lines.join("\n")}\n`);
  return Buffer.concat([text, Buffer.alloc(-text.length & (BLOCK_BYTES - 1))]);
}

export interface SparseMap {
  readonly extents: readonly Extent[];
  /** How many bytes of the content the map is, with its padding. */
  readonly mapBytes: number;
}

/** Undefined while `beginning` is too short. Throws `invalid_argument` for a map that is none. */
export function parseMap(beginning: Buffer, size: number): SparseMap | undefined {
  const lines: number[] = [];
  let at = 0;
  while (lines.length === 0 || lines.length < 1 + 2 * (lines[0] ?? 0)) {
    const end = beginning.indexOf(0x0a, at);
    if (end < 0) {
      if (beginning.length > MAX_MAP_BYTES) throw malformed("it is too long");
      return undefined;
    }
    const text = beginning.toString("latin1", at, end);
    if (!/^\d{1,15}$/.test(text)) throw malformed(`"${text.slice(0, 20)}" is not a number`);
    lines.push(Number(text));
    if ((lines[0] ?? 0) * 4 > MAX_MAP_BYTES) throw malformed("it has too many parts");
    at = end + 1;
  }
  const mapBytes = Math.ceil(at / BLOCK_BYTES) * BLOCK_BYTES;
  if (beginning.length < mapBytes) return undefined;
  const extents: Extent[] = [];
  for (let index = 1; index < lines.length; index += 2) {
    const start = lines[index] ?? 0;
    const end = start + (lines[index + 1] ?? 0);
    if (end > size || start < (extents.at(-1)?.end ?? 0))
      throw malformed("its parts overlap or end beyond the file");
    extents.push({ start, end });
  }
  return { extents, mapBytes };
}

function malformed(problem: string): HoldfastError {
  return new HoldfastError(
    "invalid_argument",
    `the archive has a malformed map of a sparse file: ${problem}`,
  );
}
