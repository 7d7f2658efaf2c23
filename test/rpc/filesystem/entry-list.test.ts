// The hand-written encoding of lists is byte for byte that of the library.

import { create, fromBinary, fromJson, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EntryInfoSchema, FileType, ListDirResponseSchema } from "../../../src/gen/filesystem_pb.ts";
import { EntryList } from "../../../src/rpc/filesystem/entry-list.ts";
import { keepProtoKeys } from "../../../src/rpc/protocol/map-keys.ts";
import { keepByteOrderMarks } from "../../../src/rpc/protocol/text-encoding.ts";

keepByteOrderMarks();
keepProtoKeys();

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string().map((rest) => `\uFEFF${rest}`),
);
const entry = fc
  .record({
    name: text,
    type: fc.constantFrom(FileType.UNSPECIFIED, FileType.FILE, FileType.DIRECTORY, FileType.SYMLINK),
    path: text,
    size: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    mode: fc.nat(0o777),
    permissions: text,
    owner: text,
    group: text,
    modifiedTime: fc.option(
      fc.record({
        seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
        nanos: fc.oneof(
          fc.nat(999).map((ms) => ms * 1_000_000),
          fc.nat(999_999).map((us) => us * 1000),
          fc.nat(999_999_999),
        ),
      }),
      { nil: undefined },
    ),
    symlinkTarget: fc.option(text, { nil: undefined }),
    metadata: fc.dictionary(fc.oneof(text, fc.constant("__proto__")), text),
  })
  .map(({ modifiedTime, symlinkTarget, ...fields }) =>
    create(EntryInfoSchema, {
      ...fields,
      ...(modifiedTime === undefined
        ? {}
        : { modifiedTime: { $typeName: "google.protobuf.Timestamp", ...modifiedTime } }),
      ...(symlinkTarget === undefined ? {} : { symlinkTarget }),
    }),
  );
const list = fc.record({
  parts: fc.array(fc.array(entry, { maxLength: 5 }), { maxLength: 4 }),
  nextPage: text,
  unreadable: fc.array(text, { maxLength: 3 }),
});

const reserve = () => ({ resize: () => true, release: () => undefined });

test.each(["json", "binary"] as const)("any list in parts is the library's message (%s)", (codec) => {
  fc.assert(
    fc.property(list, ({ parts, ...rest }) => {
      const encoder = new EntryList({ codec, reserve });
      for (const part of parts) encoder.add(part);
      const message = encoder.end(rest);
      const whole = Buffer.concat(message.parts);
      expect(message.bytes).toBe(whole.length);
      const expected = create(ListDirResponseSchema, { entries: parts.flat(), ...rest });
      if (codec === "json") {
        expect(whole.toString()).toBe(toJsonString(ListDirResponseSchema, expected));
        expect(fromJson(ListDirResponseSchema, JSON.parse(whole.toString()))).toEqual(expected);
      } else {
        expect(fromBinary(ListDirResponseSchema, whole)).toEqual(expected);
        expect(whole.length).toBe(toBinary(ListDirResponseSchema, expected).length);
      }
    }),
  );
});

test("a list for which the budget has no room is refused and holds nothing", () => {
  let held = 0;
  const encoder = new EntryList({
    codec: "json",
    reserve: (bytes) => {
      held = bytes;
      return {
        resize: (to) => {
          if (to <= 200_000) held = to;
          return to <= 200_000;
        },
        release: () => {
          held = 0;
        },
      };
    },
  });
  const entries = Array.from({ length: 100 }, () => create(EntryInfoSchema, { name: "n".repeat(500) }));
  expect(() => {
    for (let index = 0; index < 10; index++) encoder.add(entries);
  }).toThrow(/for which there is no room \(--memory-budget\); give page_size/);
  expect(held).toBe(0);
});
