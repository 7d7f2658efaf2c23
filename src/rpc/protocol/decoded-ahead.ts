// Decodes a large JSON message with a long value of `bytes` before the library, which is slow with it (json-bytes.ts). The
// library gets an empty message in its place, and the handler the decoded one. A message that cannot be decoded goes to the
// library, which says what is wrong with it.

import type { Message } from "@bufbuild/protobuf";
import type { LongBytesDecode } from "./json-bytes.ts";

const EMPTY = Buffer.from("{}");
/** Shorter ones take the library little time. */
const LARGE_BYTES = 64 * 1024;

/** `body` is one message. */
export async function* decodedAhead(
  body: AsyncIterable<Uint8Array>,
  decode: LongBytesDecode,
  onMessage: (message: Message) => void,
): AsyncIterable<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    pieces.push(piece);
    bytes += piece.length;
  }
  if (bytes < LARGE_BYTES) return yield* pieces;
  // In a buffer of its own, which can be freed.
  const json = Buffer.concat(pieces.splice(0), bytes);
  const message = decode(json);
  if (message === undefined) return yield json;
  onMessage(message);
  yield EMPTY;
}
