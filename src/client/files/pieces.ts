// Content in pieces: makes an iteration from the content that a caller gives, and makes the form
// that a caller wants from an iteration.

import { isBytes, typeName } from "../bytes.ts";
import { ClientError } from "../client-errors.ts";
import { streamPieces } from "../transport/stream-pieces.ts";
import type { UploadContent } from "./types.ts";

/** An iteration over the content. Whole values can be iterated again, streams cannot. */
export function piecesOf(content: UploadContent): AsyncIterable<Uint8Array> {
  if (typeof content === "string") return once(new TextEncoder().encode(content));
  if (content instanceof Uint8Array) return once(content);
  if (isBlob(content)) return { [Symbol.asyncIterator]: () => streamPieces(content.stream()) };
  const given: unknown = content;
  if (typeof given === "object" && given !== null) {
    if (Symbol.asyncIterator in content) return content;
    if ("getReader" in content) return streamPieces(content);
  }
  throw new ClientError(
    "invalid_argument",
    `the content is of type ${typeName(given)}, must be a string, a Uint8Array, a Blob, or a stream of Uint8Arrays`,
  );
}

/** Throws `invalid_argument` for a piece of a stream that is not bytes. */
export function assertPiece(piece: unknown): void {
  if (isBytes(piece)) return;
  const message = `the stream has a piece of type ${typeName(piece)}, must have only Uint8Arrays`;
  throw new ClientError("invalid_argument", message);
}

/** Whether piecesOf gives the same bytes again. */
export function isRepeatable(content: UploadContent): boolean {
  return typeof content === "string" || content instanceof Uint8Array || isBlob(content);
}

/** Undefined for streams. */
export function sizeOf(content: UploadContent): number | undefined {
  if (typeof content === "string") return new TextEncoder().encode(content).length;
  if (content instanceof Uint8Array) return content.length;
  return isBlob(content) ? content.size : undefined;
}

/** All bytes of an iteration. `bytes` is how many are expected. */
export async function bytesOf(pieces: AsyncIterable<Uint8Array>, bytes: number): Promise<Uint8Array> {
  const all = new Uint8Array(bytes);
  let offset = 0;
  for await (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}

export function streamOf(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void (await iterator.return?.()),
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
}

function isBlob(content: UploadContent): content is Blob {
  return typeof Blob !== "undefined" && content instanceof Blob;
}

function once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: async function* () {
      yield bytes;
    },
  };
}
