// Content for tests of transfers: no two places of it look the same.

import { createHash } from "node:crypto";

export function contentOf(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let offset = 0; offset + 4 <= bytes; offset += 4) content.writeUInt32BE(offset, offset);
  return content;
}

/** For comparisons whose failure must not print a megabyte. */
export function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** A stream that cannot be read twice. */
export async function* inPieces(
  content: Uint8Array,
  pieceBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  for (let offset = 0; offset < content.length; offset += pieceBytes)
    yield content.subarray(offset, offset + pieceBytes);
}
