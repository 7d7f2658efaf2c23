// The values of a message are counted while it arrives, in pieces of any size, and never fewer than the decoder finds.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ListRequestSchema, Process, StartRequestSchema } from "../../../src/gen/process_pb.ts";
import { BinaryFields } from "../../../src/rpc/body/binary-fields.ts";
import { JsonValues } from "../../../src/rpc/body/json-values.ts";
import { createValueLimit } from "../../../src/rpc/body/value-limit.ts";

interface Counter {
  add(piece: Uint8Array): number;
}

function countInPieces(counter: Counter, bytes: Uint8Array, sizes: readonly number[]): number {
  let at = 0;
  let count = 0;
  for (let i = 0; at < bytes.length; i++) {
    const end = at + (sizes[i % sizes.length] ?? 1);
    count = counter.add(bytes.subarray(at, end));
    at = end;
  }
  return count;
}

const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 });

/** All values and keys, the outermost value included. */
function valuesIn(json: unknown): number {
  if (typeof json !== "object" || json === null) return 1;
  if (Array.isArray(json)) return json.reduce<number>((sum, value) => sum + valuesIn(value), 1);
  return Object.values(json).reduce<number>((sum, value) => sum + 1 + valuesIn(value), 1);
}

test("the values of JSON are counted, and punctuation in strings is not", () => {
  const strings = fc.oneof(fc.string(), fc.stringMatching(/^[\\",[{:]{0,200}$/));
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: "small" },
      fc.integer(),
      strings,
      fc.array(tie("json")),
      fc.dictionary(strings, tie("json")),
    ),
  }));
  fc.assert(
    fc.property(json, sizes, (value, pieces) => {
      const bytes = Buffer.from(JSON.stringify(value));
      const values = valuesIn(value);
      const count = countInPieces(new JsonValues(), bytes, pieces);
      expect(2 * count + 1).toBeGreaterThanOrEqual(values);
      expect(count).toBeLessThanOrEqual(2 * values);
    }),
  );
});

test.each(["\\", '"', "\\\\", '\\"', "x"])("a long string of %j counts as one value", (unit) => {
  const bytes = Buffer.from(JSON.stringify({ a: unit.repeat(500), b: `,${unit.repeat(77)}[` }));
  for (let size = 1; size < 300; size++) expect(countInPieces(new JsonValues(), bytes, [size])).toBe(4);
});

test("the fields of a binary message are counted inside other messages also", () => {
  const texts = fc.array(fc.string());
  fc.assert(
    fc.property(texts, fc.dictionary(fc.string(), fc.string()), sizes, (args, envs, pieces) => {
      const message = create(StartRequestSchema, { process: { cmd: "x", args, envs }, tag: "t" });
      const count = countInPieces(
        new BinaryFields(StartRequestSchema),
        toBinary(StartRequestSchema, message),
        pieces,
      );
      expect(count).toBe(3 + args.length + Object.keys(envs).length);
    }),
  );
});

test("a tag with the wire type of a number does not hide the fields of an inner message", () => {
  // The decoder reads a known field by its schema, whatever wire type its tag has.
  const inside = new BinaryWriter().uint32((2 << 3) | WireType.LengthDelimited).string("");
  const arg = inside.finish();
  const config = Buffer.concat(Array(1000).fill(arg));
  for (const wireType of [0, 1, 2, 5]) {
    const outer = new BinaryWriter()
      .uint32((1 << 3) | wireType)
      .bytes(config)
      .finish();
    expect(fromBinary(StartRequestSchema, outer).process?.args).toHaveLength(1000);
    expect(new BinaryFields(StartRequestSchema).add(outer)).toBe(1001);
  }
});

test("a length with bits that the decoder ignores does not hide fields", () => {
  // 1000 empty arguments after a length of ten bytes, whose upper six are ignored.
  const length = [0xd0 | 0x80, 0x0f | 0x80, 0x80, 0x80, 0xf0, 0xff, 0xff, 0xff, 0xff, 0x7f];
  const config = Buffer.alloc(2000, Buffer.from([0x12, 0x00]));
  const message = Buffer.concat([Buffer.from([0x0a, ...length]), config]);
  expect(fromBinary(StartRequestSchema, message).process?.args).toHaveLength(1000);
  expect(new BinaryFields(StartRequestSchema).add(message)).toBe(1001);
});

function thrownBy(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("each message of a stream has the limit for itself, and values count in the memory of requests", () => {
  let reserved = 0;
  const share = { reserve: (bytes: number) => (reserved += bytes) };
  const list = createValueLimit(Process.method.list, "json", share);
  const message = Buffer.from(`{"a":[${"1,".repeat(16_000)}1]}`);
  for (let i = 0; i < 3; i++) {
    list.begin();
    list.add(message);
  }
  expect(reserved).toBeGreaterThan(3 * 15_000 * 80 - 1);
  const error = ConnectError.from(thrownBy(() => list.add(message)));
  expect(error.code).toBe(Code.ResourceExhausted);
  expect(error.rawMessage).toBe("the message has more than 16384 values; the limit of List is 16384");
});

test("an unknown field is counted", () => {
  const unknown = new BinaryWriter()
    .uint32((7000 << 3) | WireType.Varint)
    .uint32(300)
    .finish();
  const message = Buffer.concat(Array(50).fill(unknown));
  expect(fromBinary(ListRequestSchema, message, { readUnknownFields: false }).$unknown).toBeUndefined();
  expect(new BinaryFields(ListRequestSchema).add(message)).toBe(50);
});
