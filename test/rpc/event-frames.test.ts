// The differential test: whatever the chunk, the frames made by hand are byte for byte what Connect-ES would send.

import { create } from "@bufbuild/protobuf";
import { createMethodSerializationLookup, encodeEnvelope } from "@connectrpc/connect/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ConnectResponseSchema,
  Process,
  type ProcessEvent,
  ProcessEventSchema,
  StartResponseSchema,
} from "../../src/gen/process_pb.ts";
import { type Chunk, offset } from "../../src/multiplexer/chunk.ts";
import { type Codec, dataFrame, type FramePart, keepaliveFrame } from "../../src/rpc/event-frames.ts";

const streams = ["stdout", "stderr", "pty"] as const;
const codecs = ["binary", "json"] as const;

const limits = { readMaxBytes: 0xffffffff, writeMaxBytes: 0xffffffff };
const startCodec = createMethodSerializationLookup(Process.method.start, undefined, undefined, limits);
const connectCodec = createMethodSerializationLookup(Process.method.connect, undefined, undefined, limits);

function libraryFrames(event: ProcessEvent, codec: Codec): Buffer[] {
  const isBinary = codec === "binary";
  return [
    startCodec.getO(isBinary).serialize(create(StartResponseSchema, { event })),
    connectCodec.getO(isBinary).serialize(create(ConnectResponseSchema, { event })),
  ].map((message) => Buffer.from(encodeEnvelope(0, message)));
}

function joined(frame: readonly FramePart[]): Buffer {
  return Buffer.concat(frame.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
}

function chunkOf(stream: Chunk["stream"], data: Buffer): Chunk {
  return { stream, offset: offset(0), data, frames: undefined };
}

function expectAsLibrary({ stream, data }: Chunk, codec: Codec): void {
  const event = create(ProcessEventSchema, {
    event: { case: "data", value: { output: { case: stream, value: data } } },
  });
  const frame = joined(dataFrame(chunkOf(stream, data), codec, false));
  for (const expected of libraryFrames(event, codec)) {
    // toEqual on buffers of this size takes seconds to say what differs.
    if (!frame.equals(expected)) expect(differenceOf(frame, expected)).toBe("");
  }
}

function differenceOf(frame: Buffer, expected: Buffer): string {
  const at = frame.findIndex((byte, index) => byte !== expected[index]);
  const shown = (bytes: Buffer) => bytes.toString("hex", Math.max(0, at - 8), at + 24);
  return `${frame.length} bytes, not ${expected.length}; at ${at}: ${shown(frame)}, not ${shown(expected)}`;
}

const noiseBytes = Buffer.alloc(300_000 + 2 ** 16);
for (let index = 0, state = 1; index < noiseBytes.length; index++) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  noiseBytes[index] = state;
}

/** Up to 300,000 bytes of all values, others for each `seed` below 2^16. */
function noise(length: number, seed: number): Buffer {
  return noiseBytes.subarray(seed, seed + length);
}

const bytes = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe.each(codecs)("%s:", (codec) => {
  test.each(streams)("a %s chunk of any bytes is the library's frame", (stream) => {
    fc.assert(
      fc.property(fc.nat(300_000), fc.nat(2 ** 16), (length, seed) =>
        expectAsLibrary(chunkOf(stream, noise(length, seed)), codec),
      ),
      { numRuns: 30, examples: [[300_000, 1]] },
    );
  });

  test.each(streams)("a %s chunk is the library's frame wherever a length needs one more byte", (stream) => {
    // Around 2^7, 2^14 and, for the envelope, 2^8 and 2^16. The nested messages pass each a few bytes earlier.
    const lengths = [...bytes(0, 260), ...bytes(16_368, 16_390), ...bytes(65_520, 65_540)];
    for (const length of lengths) expectAsLibrary(chunkOf(stream, noise(length, length)), codec);
  });

  test("a chunk longer than 2^21 bytes, which no reader makes, is the library's frame too", () => {
    expectAsLibrary(chunkOf("stdout", Buffer.alloc(2 ** 21 + 3, "0123456")), codec);
  });

  test("every byte value is carried at every place of a base64 group", () => {
    const all = Buffer.from(bytes(0, 255));
    for (const shift of [0, 1, 2])
      expectAsLibrary(chunkOf("pty", Buffer.concat([Buffer.alloc(shift), all, all, all])), codec);
  });

  test("a KeepAlive is the library's frame", () => {
    const event = create(ProcessEventSchema, { event: { case: "keepalive", value: {} } });
    for (const expected of libraryFrames(event, codec))
      expect(joined(keepaliveFrame[codec]).toString("hex")).toBe(expected.toString("hex"));
  });

  test("a shared frame is made once and kept with its chunk", () => {
    const chunk = chunkOf("stdout", Buffer.from("shared"));
    const frame = dataFrame(chunk, codec, true);
    expect(dataFrame(chunk, codec, true)).toBe(frame);
    expect(chunk.frames?.get(codec)).toBe(frame);
    // A subscriber that is alone by now takes what the others have left.
    expect(dataFrame(chunk, codec, false)).toBe(frame);
  });

  test("a frame that is not shared is not kept", () => {
    const chunk = chunkOf("stdout", Buffer.from("for one"));
    const frame = dataFrame(chunk, codec, false);
    expect(chunk.frames).toBeUndefined();
    expect(joined(dataFrame(chunk, codec, false))).toEqual(joined(frame));
  });
});

test("both codecs' shared frames are kept side by side, and neither is taken for the other", () => {
  const chunk = chunkOf("stderr", Buffer.from("both"));
  const frames = codecs.map((codec) => dataFrame(chunk, codec, true));
  expect(codecs.map((codec) => dataFrame(chunk, codec, true))).toEqual(frames);
  for (const codec of codecs) {
    const alone = dataFrame(chunkOf("stderr", Buffer.from("both")), codec, false);
    expect(joined(dataFrame(chunk, codec, true))).toEqual(joined(alone));
  }
});

test("a binary frame carries the chunk's own buffer, not a copy", () => {
  const chunk = chunkOf("stdout", noise(100_000, 1));
  expect(dataFrame(chunk, "binary", false)[1]).toBe(chunk.data);
});
