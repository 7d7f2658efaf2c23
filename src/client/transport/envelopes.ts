// The messages in the body of a stream: each has a byte of flags and its length in front. And whole bodies.

/** No message of the agent is near it: a longer one is an error. */
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

const HEAD_BYTES = 5;
const COMPRESSED = 0b01;
const END = 0b10;

export interface Envelope {
  readonly isCompressed: boolean;
  /** The last one of a stream, which is JSON. */
  readonly isEnd: boolean;
  readonly data: Uint8Array;
}

export function writeEnvelope(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + data.length);
  new DataView(bytes.buffer).setUint32(1, data.length);
  bytes.set(data, HEAD_BYTES);
  return bytes;
}

/** Throws when the body ends within a message, and passes on the errors of the body. */
export async function* readEnvelopes(body: AsyncIterable<Uint8Array>): AsyncGenerator<Envelope, void> {
  const held = new Pieces();
  for await (const piece of body) {
    held.add(piece);
    for (let envelope = takeEnvelope(held); envelope !== undefined; envelope = takeEnvelope(held))
      yield envelope;
  }
  if (held.bytes > 0) throw new Error("the stream ended within a message");
}

function takeEnvelope(held: Pieces): Envelope | undefined {
  if (held.bytes < HEAD_BYTES) return undefined;
  const head = held.peek(HEAD_BYTES);
  const size = new DataView(head.buffer, head.byteOffset).getUint32(1);
  if (size > MAX_MESSAGE_BYTES)
    throw new Error(`a message of the stream has ${size} bytes, more than ${MAX_MESSAGE_BYTES}`);
  if (held.bytes < HEAD_BYTES + size) return undefined;
  const flags = head[0] ?? 0;
  held.take(HEAD_BYTES);
  return { isCompressed: (flags & COMPRESSED) !== 0, isEnd: (flags & END) !== 0, data: held.take(size) };
}

/** Received bytes. Those within one piece are not copied; a message in many pieces is copied once. */
class Pieces {
  #pieces: Uint8Array[] = [];
  bytes = 0;

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.bytes += piece.length;
  }

  /** The first `size` of `bytes`, in one piece. */
  peek(size: number): Uint8Array {
    const first = this.#pieces[0] ?? new Uint8Array();
    if (first.length >= size) return first;
    const joined = new Uint8Array(size);
    let filled = 0;
    for (const piece of this.#pieces) {
      if (filled === size) break;
      const part = piece.subarray(0, size - filled);
      joined.set(part, filled);
      filled += part.length;
    }
    return joined;
  }

  take(size: number): Uint8Array {
    const data = this.peek(size).subarray(0, size);
    this.bytes -= size;
    let left = size;
    let whole = 0;
    for (const piece of this.#pieces) {
      if (piece.length > left) break;
      left -= piece.length;
      whole += 1;
    }
    this.#pieces.splice(0, whole);
    if (left > 0) this.#pieces[0] = (this.#pieces[0] ?? data).subarray(left);
    return data;
  }
}

export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const held = new Pieces();
  for await (const piece of body) {
    held.add(piece);
    if (held.bytes > MAX_MESSAGE_BYTES)
      throw new Error(`the answer has more than ${MAX_MESSAGE_BYTES} bytes`);
  }
  return held.take(held.bytes);
}
