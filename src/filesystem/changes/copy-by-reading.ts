// Copies a piece of a file through memory, where the kernel cannot copy it itself.

import { readSync, writeSync } from "node:fs";

const PIECE_BYTES = 1024 * 1024;

/** How many bytes were copied from `at` to `at`; fewer than `bytes` at the end of `source`. */
export function copyByReading(source: number, target: number, at: number, bytes: number): number {
  const piece = Buffer.allocUnsafe(Math.min(bytes, PIECE_BYTES));
  const read = readSync(source, piece, 0, piece.length, at);
  for (let written = 0; written < read; )
    written += writeSync(target, piece, written, read - written, at + written);
  return read;
}
