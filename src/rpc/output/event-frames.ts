// Encodes output as the enveloped messages that StartResponse and ConnectResponse share: field 1, the
// event, has the same shape in both. Written by hand because it is the hot path: Connect-ES encodes JSON
// twelve times slower. The result is byte for byte the same (test/rpc/output/event-frames.test.ts).
//
//   envelope  | flags 0 | length, 4 bytes big-endian | message
//   binary    message = 0a LEN( event = 12 LEN( data = 0a|12|1a LEN bytes ) )
//   JSON      message = {"event":{"data":{"stdout":"BASE64"}}}
//
// With offsets, which a client must request, data ends in a0 06 VARINT, or in ,"offset":"DECIMAL". An
// offset of 0 is omitted, as protobuf omits defaults.

import { create, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  ConnectResponseSchema,
  type ProcessEvent_TerminalSchema,
  type ProcessEventSchema,
} from "../../gen/process_pb.ts";
import type { Chunk, OutputStream, TimeMark } from "../../multiplexer/index.ts";
import { ownBase64, pooledBase64 } from "./frame-buffers.ts";

export type Codec = "binary" | "json";

export type TerminalMessage = MessageInitShape<typeof ProcessEvent_TerminalSchema>;

/** How a stream's events are encoded. */
export interface Encoding {
  readonly codec: Codec;
  readonly offsets: boolean;
}

/** A part of a frame as it is written to the socket. A string holds one byte per character (latin1). */
export type FramePart = Buffer | string;

/** Copying a part that is shorter than this costs less than a separate entry in a writev call. */
export const SHORT_PART_BYTES = 4096;

const fieldTag: Readonly<Record<OutputStream, number>> = { stdout: 0x0a, stderr: 0x12, pty: 0x1a };
const EVENT_TAG = 0x0a;
const DATA_TAG = 0x12;
/** Field 100, a varint. */
const OFFSET_TAG = "\xa0\x06";

/**
 * The frame of `chunk`. With `isShared`, it is stored on the chunk and encoded once for all subscribers
 * with this encoding. Otherwise a part of it may be a pooled buffer: see frame-buffers.ts.
 */
export function dataFrame(
  chunk: Chunk,
  { codec, offsets }: Encoding,
  isShared: boolean,
): readonly FramePart[] {
  const key = offsets ? `${codec} with offsets` : codec;
  const kept = chunk.frames?.get(key);
  if (kept !== undefined) return kept;
  const frame = codec === "json" ? jsonDataFrame(chunk, offsets, isShared) : binaryDataFrame(chunk, offsets);
  if (!isShared) return frame;
  chunk.frames ??= new Map();
  chunk.frames.set(key, frame);
  keepFew(chunk);
  return frame;
}

/** Subscribers at the same place write a frame at about the same time. Replay must not hold frames beside its output. */
const MAX_WITH_FRAMES = 32;
const withFrames = new Set<Chunk>();

function keepFew(chunk: Chunk): void {
  withFrames.add(chunk);
  if (withFrames.size <= MAX_WITH_FRAMES) return;
  const [oldest] = withFrames;
  if (oldest === undefined) return;
  withFrames.delete(oldest);
  oldest.frames = undefined;
}

/** A GapEvent: the bytes `[from, to)` are no longer held. */
export function gapFrame(
  from: number,
  to: number,
  codec: Codec,
  terminal?: TerminalMessage,
): readonly FramePart[] {
  const gap = { from: BigInt(from), to: BigInt(to), ...(terminal === undefined ? {} : { terminal }) };
  return eventFrame({ case: "gap", value: gap }, codec);
}

/** A TimesEvent, for the DataEvent that follows. */
export function timesFrame(times: readonly TimeMark[], codec: Codec): readonly FramePart[] {
  const offsets = times.map(({ offset }) => BigInt(offset));
  const atMs = times.map(({ atMs }) => BigInt(Math.round(atMs)));
  const withinMs = times.map(({ withinMs }) => BigInt(withinMs));
  return eventFrame({ case: "times", value: { offsets, atMs, withinMs } }, codec);
}

function eventFrame(
  event: NonNullable<MessageInitShape<typeof ProcessEventSchema>["event"]>,
  codec: Codec,
): readonly FramePart[] {
  const message = create(ConnectResponseSchema, { event: { event } });
  if (codec === "json") return [jsonFrame(toJsonString(ConnectResponseSchema, message))];
  const bytes = Buffer.from(toBinary(ConnectResponseSchema, message));
  return [envelope(bytes.length) + bytes.toString("latin1")];
}

/** An AgentStoppingEvent. */
export function stoppingFrame(
  { reason, graceMs }: { readonly reason: string; readonly graceMs: number },
  codec: Codec,
): readonly FramePart[] {
  const value = { reason, graceMs: BigInt(graceMs) };
  return eventFrame({ case: "agentStopping", value }, codec);
}

/** A SizeEvent. */
export function sizeFrame(
  size: { readonly cols: number; readonly rows: number },
  codec: Codec,
): readonly FramePart[] {
  return eventFrame({ case: "size", value: { cols: size.cols, rows: size.rows } }, codec);
}

/** A KeepAlive event. */
export const keepaliveFrame: Readonly<Record<Codec, readonly FramePart[]>> = {
  binary: [`${envelope(4)}${latin1(EVENT_TAG, 2, 0x22, 0)}`],
  json: [jsonFrame('{"event":{"keepalive":{}}}')],
};

/** Output from this length on is encoded into a buffer: each write of a long string copies it again. */
const LONG_OUTPUT_BYTES = 12 * 1024;

/** Three parts, because V8 would copy the long one again to join it with the others. */
function jsonDataFrame(
  { stream, data, offset }: Chunk,
  offsets: boolean,
  isShared: boolean,
): readonly FramePart[] {
  const output = base64Of(data, isShared);
  const head = `{"event":{"data":{"${stream}":"`;
  const tail = offsets && offset > 0 ? `","offset":"${offset}"}}}` : '"}}}';
  return [envelope(head.length + output.length + tail.length) + head, output, tail];
}

function base64Of(data: Buffer, isShared: boolean): FramePart {
  if (data.length < LONG_OUTPUT_BYTES) return data.toString("base64");
  // It is not known when the last subscriber has written a shared one.
  return isShared ? ownBase64(data) : pooledBase64(data);
}

function binaryDataFrame(chunk: Chunk, offsets: boolean): readonly FramePart[] {
  const place = offsets && chunk.offset > 0 ? OFFSET_TAG + varint(chunk.offset) : "";
  const rest = chunk.data.length + place.length;
  const output = latin1(fieldTag[chunk.stream]) + varint(chunk.data.length);
  const data = latin1(DATA_TAG) + varint(output.length + rest) + output;
  const event = latin1(EVENT_TAG) + varint(data.length + rest) + data;
  const head = envelope(event.length + rest) + event;
  return place === "" ? [head, chunk.data] : [head, chunk.data, place];
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
  // No shifts: an offset may need more than 32 bits.
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) text += latin1((rest % 128) | 0x80);
  return text + latin1(rest);
}

function latin1(...bytes: number[]): string {
  return String.fromCharCode(...bytes);
}
