// The body of a request on its way from the connection to the library. It is counted before it is stored
// (request-memory.ts), decompressed here instead of in the library, which would neither count it nor limit how many
// bodies are decompressed at a time, and passed on in few pieces: the library's time grows with the square of their number.

import { Buffer } from "node:buffer";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  COMPRESSED_FLAG,
  END_STREAM_FLAG,
  envelopeHead,
  HEAD_BYTES,
  TRAILER_FLAG,
} from "../../http/index.ts";
import type { RequestShare } from "../memory/request-memory.ts";
import { type Compression, compressionNamed, decompress } from "./decompression.ts";
import { turnFor } from "./large-messages.ts";
import { createValueLimit, type ValueLimit } from "./value-limit.ts";

/** Smaller pieces are joined up to this size, unless they complete a message. */
const PIECE_BYTES = 64 * 1024;
/** About 10 ms. */
const COUNTED_IN_TURN_BYTES = 1024 * 1024;
const CONNECT_ENCODING = "Connect-Content-Encoding";
/** Other bits have no meaning in any protocol. */
const KNOWN_FLAGS = COMPRESSED_FLAG | END_STREAM_FLAG | TRAILER_FLAG;

type Pieces = AsyncIterable<Uint8Array>;

/** In pieces and joined; JSON also as text and as the decoded message. */
export const COPIES = { binary: 2, json: 3 };

type MessageFormat = keyof typeof COPIES;

export interface BodyOptions {
  readonly share: Pick<RequestShare, "reserve" | "release">;
  /** The largest message, before and after decompression. */
  readonly maxMessageBytes: number;
}

interface ReadOptions extends Omit<BodyOptions, "share"> {
  readonly share: Pick<RequestShare, "reserve">;
  readonly values: ValueLimit;
  /** Which names the compression of messages. */
  readonly encodingHeader: string;
  /** To be called when the library asks for more, which it does when it has passed on all complete messages. */
  readonly onPassedOn: () => void;
}

interface CompressedBodyOptions extends ReadOptions {
  /**
   * Counts the compressed bytes that are held, which are not copied. `share` counts the
   * decompressed ones.
   */
  readonly compressedShare: ReadOptions["share"];
}

/**
 * Reads the body of a request of `method`. Removes headers that no longer apply: the encoding of
 * the messages, and the length, for which the library would allocate memory before anything has
 * arrived.
 */
export function requestBody(
  { header, body }: UniversalServerRequest & { readonly body: Pieces },
  method: DescMethod,
  { share, maxMessageBytes }: BodyOptions,
): Pieces {
  const format = header.get("Content-Type")?.toLowerCase().includes("json") === true ? "json" : "binary";
  const isSingle = isUnaryType(header);
  const encodingHeader = encodingHeaderOf(header, isSingle);
  const options = {
    ...readOptions(method, format, { share, maxMessageBytes }, encodingHeader),
    compressedShare: { reserve: (bytes: number) => share.reserve(bytes, 1) },
  };
  const length = Number(header.get("Content-Length") ?? 0);
  header.delete("Content-Length");
  if (isSingle && length > options.maxMessageBytes) return failing(tooLarge(length, options.maxMessageBytes));
  const compression = takeCompression(header, encodingHeader);
  if (isSingle) {
    return compression === undefined
      ? limited(joined(body, options, turnFor), options.values)
      : expandedBody(body, compression, options);
  }
  return compression === undefined
    ? wholeEnvelopes(body, options)
    : expandedEnvelopes(body, compression, options);
}

/** The body of a request whose messages are in envelopes and not compressed, in pieces that end with a message where they can. */
export function envelopePieces(
  body: Pieces,
  method: DescMethod,
  format: MessageFormat,
  options: BodyOptions,
): Pieces {
  return wholeEnvelopes(body, readOptions(method, format, options, CONNECT_ENCODING));
}

function readOptions(
  method: DescMethod,
  format: MessageFormat,
  { share, maxMessageBytes }: BodyOptions,
  encodingHeader: string,
): ReadOptions {
  const copies = COPIES[format];
  return {
    maxMessageBytes,
    share: { reserve: (bytes: number) => share.reserve(bytes, copies) },
    values: createValueLimit(method, format, share),
    encodingHeader,
    // The messages of other requests are held until the handler releases them.
    onPassedOn: () => {
      if (method.methodKind === "client_streaming") share.release();
    },
  };
}

/** Unary calls of Connect have one message without an envelope. */
function isUnaryType(header: Headers): boolean {
  const type = mediaType(header);
  return type === "application/json" || type === "application/proto";
}

/** In lower case, without parameters; "" if there is none. */
export function mediaType(header: Headers): string {
  const [type = ""] = (header.get("Content-Type") ?? "").toLowerCase().split(";");
  return type.trim();
}

/** A body that is not read. */
// biome-ignore lint/correctness/useYield: a generator that only throws is an iterable that fails.
async function* failing(error: ConnectError): Pieces {
  throw error;
}

function encodingHeaderOf(header: Headers, isSingle: boolean): string {
  const isGrpc = header.get("Content-Type")?.toLowerCase().startsWith("application/grpc") === true;
  return isGrpc ? "Grpc-Encoding" : isSingle ? "Content-Encoding" : CONNECT_ENCODING;
}

/** An unknown encoding stays in the header: the library refuses it in the format of the protocol. */
function takeCompression(header: Headers, name: string): Compression | undefined {
  const compression = compressionNamed(header.get(name) ?? "");
  if (compression !== undefined) header.delete(name);
  return compression;
}

async function* limited(message: Pieces, values: ValueLimit): Pieces {
  for await (const piece of message) {
    values.add(piece);
    yield piece;
  }
}

/** `onWhole` is awaited before the last piece. */
async function* joined(
  body: Pieces,
  { share, maxMessageBytes }: Pick<ReadOptions, "share" | "maxMessageBytes">,
  onWhole?: (bytes: number) => Promise<void> | undefined,
): Pieces {
  const joiner = new Joiner();
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > maxMessageBytes) throw tooLarge(bytes, maxMessageBytes);
    share.reserve(piece.length);
    joiner.add(piece);
    if (joiner.length >= PIECE_BYTES) yield joiner.take();
  }
  await onWhole?.(bytes);
  if (joiner.length > 0) yield joiner.take();
}

async function* expandedBody(body: Pieces, compression: Compression, options: CompressedBodyOptions): Pieces {
  const compressed: Uint8Array[] = [];
  for await (const piece of joined(body, { ...options, share: options.compressedShare }))
    compressed.push(piece);
  const pieces = await decompress(compression, compressed.splice(0), options);
  await countValues(pieces, options.values);
  await turnFor(totalLength(pieces));
  yield* pieces;
}

/** A whole message of 16 MiB takes 150 ms, in which no other client would be served. */
async function countValues(pieces: readonly Uint8Array[], values: ValueLimit): Promise<void> {
  let bytes = 0;
  for (const piece of pieces) {
    values.add(piece);
    bytes += piece.length;
    if (bytes < COUNTED_IN_TURN_BYTES) continue;
    bytes = 0;
    await nextTurn();
  }
}

/** Passes pieces on as they are, but joins short ones until a message is complete. */
async function* wholeEnvelopes(
  body: Pieces,
  { share, maxMessageBytes, values, encodingHeader, onPassedOn }: ReadOptions,
): Pieces {
  const joiner = new Joiner();
  const scanner = new EnvelopeScanner(maxMessageBytes, values, encodingHeader);
  for await (const piece of body) {
    share.reserve(piece.length);
    joiner.add(piece);
    const completesMessage = scanner.completesMessage(piece);
    if (!completesMessage && joiner.length < PIECE_BYTES) continue;
    const turn = completesMessage ? turnFor(scanner.completedBytes) : undefined;
    // Short messages come by the thousand: no await for them.
    if (turn !== undefined) await turn;
    yield joiner.take();
    if (completesMessage) onPassedOn();
  }
  if (joiner.length > 0) yield joiner.take();
}

async function* expandedEnvelopes(
  body: Pieces,
  compression: Compression,
  options: CompressedBodyOptions,
): Pieces {
  const reader = new PieceReader(body, options.compressedShare);
  for (;;) {
    const head = await reader.read(HEAD_BYTES);
    if (head.length < HEAD_BYTES) {
      if (head.length > 0) yield head;
      return;
    }
    const { flags, length } = parseHead(head, options.maxMessageBytes);
    const data = await reader.read(length);
    options.values.begin();
    if (data.length < length || (flags & COMPRESSED_FLAG) === 0) {
      options.share.reserve(data.length);
      options.values.add(data);
      const turn = turnFor(data.length);
      if (turn !== undefined) await turn;
      yield head;
      yield data;
      options.onPassedOn();
      continue;
    }
    const pieces = await decompress(compression, [data], options);
    await countValues(pieces, options.values);
    await turnFor(totalLength(pieces));
    yield envelopeHead(flags & ~COMPRESSED_FLAG, totalLength(pieces));
    yield* pieces;
    options.onPassedOn();
  }
}

/** Collects pieces and returns them as one. A single long piece is not copied. */
class Joiner {
  #buffer = Buffer.alloc(0);
  #length = 0;
  #single: Uint8Array | undefined;

  get length(): number {
    return this.#single?.length ?? this.#length;
  }

  add(piece: Uint8Array): void {
    if (this.length === 0) {
      this.#single = piece;
      return;
    }
    if (this.#single !== undefined) {
      const first = this.#single;
      this.#single = undefined;
      this.#append(first);
    }
    this.#append(piece);
  }

  take(): Uint8Array {
    const all = this.#single ?? this.#buffer.subarray(0, this.#length);
    this.#single = undefined;
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return all;
  }

  #append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      // Doubled, so that each byte is copied about once.
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length, 1024));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }
}

/** Follows the envelopes of a body without storing them. */
class EnvelopeScanner {
  readonly #maxBytes: number;
  readonly #values: ValueLimit;
  readonly #encodingHeader: string;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Of the message whose head is complete. */
  #missingBytes = 0;
  #messageBytes = 0;
  #completedBytes = 0;

  constructor(maxBytes: number, values: ValueLimit, encodingHeader: string) {
    this.#maxBytes = maxBytes;
    this.#encodingHeader = encodingHeader;
    this.#values = values;
  }

  /** The length of the longest message that ended in the last piece. */
  get completedBytes(): number {
    return this.#completedBytes;
  }

  /** Whether a message ends in `piece`, the next of the body. Throws for a head that is not the head of an envelope. */
  completesMessage(piece: Uint8Array): boolean {
    let at = 0;
    let isComplete = false;
    this.#completedBytes = 0;
    while (at < piece.length) {
      if (this.#headBytes < HEAD_BYTES) {
        const taken = piece.subarray(at, at + HEAD_BYTES - this.#headBytes);
        this.#head.set(taken, this.#headBytes);
        this.#headBytes += taken.length;
        at += taken.length;
        if (this.#headBytes === HEAD_BYTES) {
          this.#messageBytes = this.#lengthInHead();
          this.#missingBytes = this.#messageBytes;
          this.#values.begin();
        }
      }
      const step = Math.min(this.#missingBytes, piece.length - at);
      if (step > 0) this.#values.add(piece.subarray(at, at + step));
      this.#missingBytes -= step;
      at += step;
      if (this.#headBytes === HEAD_BYTES && this.#missingBytes === 0) {
        this.#headBytes = 0;
        isComplete = true;
        this.#completedBytes = Math.max(this.#completedBytes, this.#messageBytes);
      }
    }
    return isComplete;
  }

  /** The code is that of the protocols (and of the conformance suite), although the mistake is the client's. */
  #lengthInHead(): number {
    const { flags, length } = parseHead(this.#head, this.#maxBytes);
    if ((flags & COMPRESSED_FLAG) === 0) return length;
    throw new ConnectError(
      `a message has the flag of a compressed one; name its compression in ${this.#encodingHeader}`,
      Code.Internal,
    );
  }
}

/** Reads exact numbers of bytes from pieces of any size. */
class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #share: ReadOptions["share"];
  #rest: Uint8Array = Buffer.alloc(0);

  constructor(body: Pieces, share: ReadOptions["share"]) {
    this.#pieces = body[Symbol.asyncIterator]();
    this.#share = share;
  }

  /** Fewer bytes only at the end of the body. */
  async read(length: number): Promise<Uint8Array> {
    const joiner = new Joiner();
    while (joiner.length < length) {
      if (this.#rest.length === 0) {
        const next = await this.#pieces.next();
        if (next.done === true) break;
        this.#share.reserve(next.value.length);
        this.#rest = next.value;
      }
      const taken = this.#rest.subarray(0, length - joiner.length);
      this.#rest = this.#rest.subarray(taken.length);
      if (taken.length > 0) joiner.add(taken);
    }
    return joiner.take();
  }
}

function parseHead(head: Uint8Array, maxBytes: number): { readonly flags: number; readonly length: number } {
  const view = new DataView(head.buffer, head.byteOffset, HEAD_BYTES);
  const flags = view.getUint8(0);
  const length = view.getUint32(1);
  if (length <= maxBytes) return { flags, length };
  if ((flags & ~KNOWN_FLAGS) === 0) throw tooLarge(length, maxBytes);
  throw new ConnectError(
    "a message does not begin with an envelope; send it after 5 bytes: 0 and its length as a big-endian uint32",
    Code.InvalidArgument,
  );
}

function totalLength(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

function tooLarge(bytes: number, maxBytes: number): ConnectError {
  return new ConnectError(
    `the message of ${bytes} bytes is larger than the limit (${maxBytes} bytes; --max-message)`,
    Code.ResourceExhausted,
  );
}
