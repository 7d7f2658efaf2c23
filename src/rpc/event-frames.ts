// Encodes output as the enveloped messages that StartResponse and ConnectResponse share: field 1, the event, has the
// same shape in both. By hand, because it is the hot path: the library encodes JSON twelve times slower. Byte for byte
// what the library would send (test/rpc/event-frames.test.ts compares).
//
//   envelope  | flags 0 | length, 4 bytes big-endian | message
//   binary    message = 0a LEN( event = 12 LEN( data = 0a|12|1a LEN bytes ) )
//   JSON      message = {"event":{"data":{"stdout":"BASE64"}}}

import type { Chunk, OutputStream } from "../multiplexer/index.ts";

export type Codec = "binary" | "json";

/** A piece of a frame as it goes to the socket; a string holds one byte per character (latin1). */
export type FramePart = Buffer | string;

const fieldTag: Readonly<Record<OutputStream, number>> = { stdout: 0x0a, stderr: 0x12, pty: 0x1a };
const EVENT_TAG = 0x0a;
const DATA_TAG = 0x12;

/**
 * The frame of `chunk`. With `shared`, the frame is kept with the chunk and made only once for all subscribers of that
 * codec; without, nothing is kept.
 */
export function dataFrame(chunk: Chunk, codec: Codec, shared: boolean): readonly FramePart[] {
  const kept = chunk.frames?.get(codec);
  if (kept !== undefined) return kept;
  const frame = codec === "json" ? jsonDataFrame(chunk) : binaryDataFrame(chunk);
  if (shared) {
    chunk.frames ??= new Map();
    chunk.frames.set(codec, frame);
  }
  return frame;
}

/** A KeepAlive event. */
export const keepaliveFrame: Readonly<Record<Codec, readonly FramePart[]>> = {
  binary: [`${envelope(4)}${latin1(EVENT_TAG, 2, 0x22, 0)}`],
  json: [jsonFrame('{"event":{"keepalive":{}}}')],
};

function jsonDataFrame(chunk: Chunk): readonly FramePart[] {
  return [jsonFrame(`{"event":{"data":{"${chunk.stream}":"${chunk.data.toString("base64")}"}}}`)];
}

function binaryDataFrame(chunk: Chunk): readonly FramePart[] {
  const { length } = chunk.data;
  const output = latin1(fieldTag[chunk.stream]) + varint(length);
  const data = latin1(DATA_TAG) + varint(output.length + length) + output;
  const event = latin1(EVENT_TAG) + varint(data.length + length) + data;
  return [envelope(event.length + length) + event, chunk.data];
}

/** `message` is ASCII. */
function jsonFrame(message: string): string {
  return envelope(message.length) + message;
}

function envelope(bytes: number): string {
  return latin1(0, bytes >>> 24, (bytes >>> 16) & 0xff, (bytes >>> 8) & 0xff, bytes & 0xff);
}

function varint(value: number): string {
  let rest = value;
  let text = "";
  for (; rest > 0x7f; rest >>>= 7) text += latin1((rest & 0x7f) | 0x80);
  return text + latin1(rest);
}

function latin1(...bytes: number[]): string {
  return String.fromCharCode(...bytes);
}
