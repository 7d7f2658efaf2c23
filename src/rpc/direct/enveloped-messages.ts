// The messages of a client stream, without the library's seven generators for each. The pieces come
// from request-body.ts, so that all limits are the same; a wrong envelope gets the error of the
// library.

import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { COMPRESSED_FLAG, END_STREAM_FLAG, HEAD_BYTES } from "../../http/index.ts";

/** `decode` throws for a message that is malformed. Its bytes may be kept: they are not used again. */
export async function* envelopedMessages(
  pieces: AsyncIterable<Uint8Array>,
  decode: (bytes: Uint8Array) => Message,
): AsyncGenerator<Message, void> {
  const splitter = new EnvelopeSplitter();
  for await (const piece of pieces) {
    splitter.add(piece);
    for (let next = splitter.take(); next !== undefined; next = splitter.take()) {
      if ((next.flags & COMPRESSED_FLAG) !== 0) throw compressed();
      if ((next.flags & END_STREAM_FLAG) === 0) yield decode(next.data);
    }
  }
  if (splitter.isWithin) throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
}

function compressed(): ConnectError {
  return new ConnectError("received compressed envelope, but do not know how to decompress", Code.Internal);
}

interface Envelope {
  readonly flags: number;
  readonly data: Uint8Array;
}

/** Joins pieces only where a message lies in several of them. */
class EnvelopeSplitter {
  /** Not taken yet. The first one is used from `#at` on. */
  readonly #pieces: Uint8Array[] = [];
  #at = 0;
  #bytes = 0;
  /** Of the message whose head is complete. */
  #head: { readonly flags: number; readonly length: number } | undefined;

  /** Whether the stream cannot end here. */
  get isWithin(): boolean {
    return this.#bytes > 0 || (this.#head !== undefined && this.#head.length > 0);
  }

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** Undefined until the next message is complete. */
  take(): Envelope | undefined {
    if (this.#head === undefined) {
      if (this.#bytes < HEAD_BYTES) return undefined;
      const head = this.#read(HEAD_BYTES);
      const view = new DataView(head.buffer, head.byteOffset, HEAD_BYTES);
      this.#head = { flags: view.getUint8(0), length: view.getUint32(1) };
    }
    const { flags, length } = this.#head;
    if (this.#bytes < length) return undefined;
    this.#head = undefined;
    return { flags, data: this.#read(length) };
  }

  /** The next `length` bytes, which are there. */
  #read(length: number): Uint8Array {
    this.#bytes -= length;
    const [first] = this.#pieces;
    if (first !== undefined && first.length - this.#at > length) {
      this.#at += length;
      return first.subarray(this.#at - length, this.#at);
    }
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0; ) {
      const piece = this.#pieces[0] ?? new Uint8Array(missing);
      const part = piece.subarray(this.#at, this.#at + missing);
      parts.push(part);
      missing -= part.length;
      this.#at += part.length;
      if (this.#at < piece.length) break;
      this.#pieces.shift();
      this.#at = 0;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, length);
  }
}
