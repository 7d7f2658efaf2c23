// A differential test: for every chunk, the frames are byte for byte what Connect-ES would send.

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
} from "../../../src/gen/process_pb.ts";
import { type Chunk, offset } from "../../../src/multiplexer/chunk.ts";
import {
  type Codec,
  dataFrame,
  type Encoding,
  type FramePart,
  gapFrame,
  keepaliveFrame,
} from "../../../src/rpc/output/event-frames.ts";

const streams = ["stdout", "stderr", "pty"] as const;
const codecs = ["binary", "json"] as const;
const encodings: readonly Encoding[] = codecs.flatMap((codec) =>
  [false, true].map((offsets) => ({ codec, offsets })),
);
/** Offsets that need one more byte, and offsets above 32 bits. */
const offsets = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 49, 2 ** 53 - 1];

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

function chunkOf(stream: Chunk["stream"], data: Buffer, at = 5000): Chunk {
  return { stream, offset: offset(at), data, frames: undefined };
}

function expectAsLibrary(chunk: Chunk, encoding: Encoding): void {
  const { stream, data } = chunk;
  // A client without offsets receives the event that envd would send.
  const place = encoding.offsets ? { offset: BigInt(chunk.offset) } : {};
  const event = create(ProcessEventSchema, {
    event: { case: "data", value: { output: { case: stream, value: data }, ...place } },
  });
  const frame = joined(dataFrame(chunk, encoding, false));
  for (const expected of libraryFrames(event, encoding.codec)) {
    // toEqual takes seconds to print the difference of buffers of this size.
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

/** Up to 300,000 bytes of all values, different for each `seed` below 2^16. */
function noise(length: number, seed: number): Buffer {
  return noiseBytes.subarray(seed, seed + length);
}

const bytes = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe.each(encodings)("$codec, offsets $offsets:", (encoding) => {
  test.each(streams)("a %s chunk of any bytes is the library's frame", (stream) => {
    fc.assert(
      fc.property(fc.nat(300_000), fc.nat(2 ** 16), (length, seed) =>
        expectAsLibrary(chunkOf(stream, noise(length, seed)), encoding),
      ),
      { numRuns: 30, examples: [[300_000, 1]] },
    );
  });

  test.each(streams)(
    "a %s chunk is the library's frame at every length that needs one more byte",
    (stream) => {
      // Around 2^7, 2^14 and, for the envelope, 2^8 and 2^16. The nested messages pass each a few bytes earlier.
      const lengths = [...bytes(0, 260), ...bytes(16_368, 16_390), ...bytes(65_520, 65_540)];
      for (const length of lengths) expectAsLibrary(chunkOf(stream, noise(length, length)), encoding);
    },
  );

  test("a chunk longer than 2^21 bytes, which no reader creates, is also the library's frame", () => {
    expectAsLibrary(chunkOf("stdout", Buffer.alloc(2 ** 21 + 3, "0123456")), encoding);
  });

  test("every byte value arrives at every position of a base64 group", () => {
    const all = Buffer.from(bytes(0, 255));
    for (const shift of [0, 1, 2])
      expectAsLibrary(chunkOf("pty", Buffer.concat([Buffer.alloc(shift), all, all, all])), encoding);
  });

  test("a chunk is the library's frame at every offset", () => {
    for (const at of offsets) expectAsLibrary(chunkOf("stdout", noise(300, 3), at), encoding);
  });

  test("a shared frame is encoded once and stored on its chunk", () => {
    const chunk = chunkOf("stdout", Buffer.from("shared"));
    const frame = dataFrame(chunk, encoding, true);
    expect(dataFrame(chunk, encoding, true)).toBe(frame);
    expect([...(chunk.frames?.values() ?? [])]).toEqual([frame]);
    // A subscriber that is alone by now uses the stored frame.
    expect(dataFrame(chunk, encoding, false)).toBe(frame);
  });

  test("a frame that is not shared is not stored", () => {
    const chunk = chunkOf("stdout", Buffer.from("for one"));
    const frame = dataFrame(chunk, encoding, false);
    expect(chunk.frames).toBeUndefined();
    expect(joined(dataFrame(chunk, encoding, false))).toEqual(joined(frame));
  });
});

describe.each(codecs)("%s:", (codec) => {
  test("a KeepAlive is the library's frame", () => {
    const event = create(ProcessEventSchema, { event: { case: "keepalive", value: {} } });
    for (const expected of libraryFrames(event, codec))
      expect(joined(keepaliveFrame[codec]).toString("hex")).toBe(expected.toString("hex"));
  });

  test("a gap is the library's frame", () => {
    for (const [from, to] of [
      [0, 1],
      [127, 2 ** 32],
      [2 ** 53 - 2, 2 ** 53 - 1],
    ] as const) {
      const event = create(ProcessEventSchema, {
        event: { case: "gap", value: { from: BigInt(from), to: BigInt(to) } },
      });
      for (const expected of libraryFrames(event, codec))
        expect(joined(gapFrame(from, to, codec)).toString("hex")).toBe(expected.toString("hex"));
    }
  });
});

test("the shared frames of all encodings are stored side by side, and none is mistaken for another", () => {
  const chunk = chunkOf("stderr", Buffer.from("all"));
  const frames = encodings.map((encoding) => dataFrame(chunk, encoding, true));
  expect(encodings.map((encoding) => dataFrame(chunk, encoding, true))).toEqual(frames);
  for (const encoding of encodings) {
    const alone = dataFrame(chunkOf("stderr", Buffer.from("all")), encoding, false);
    expect(joined(dataFrame(chunk, encoding, true))).toEqual(joined(alone));
  }
});

test("a binary frame contains the chunk's own buffer, not a copy", () => {
  const chunk = chunkOf("stdout", noise(100_000, 1));
  expect(dataFrame(chunk, { codec: "binary", offsets: true }, false)[1]).toBe(chunk.data);
});
