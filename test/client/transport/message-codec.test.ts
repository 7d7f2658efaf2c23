// The client's messages by tables, against the library that the agent uses: random messages of every type.

import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeMessage,
  encodeMessage,
  type MessageName,
} from "../../../src/client/transport/message-codec.ts";
import { Filesystem, file_filesystem } from "../../../src/gen/filesystem_pb.ts";
import { file_process, Process } from "../../../src/gen/process_pb.ts";
import { filesystemMethods, messages, processMethods } from "../../../src/gen/tables.ts";
import { keepByteOrderMarks } from "../../../src/rpc/protocol/text-encoding.ts";

keepByteOrderMarks();

const all: readonly DescMessage[] = [
  ...[file_process, file_filesystem].flatMap((file) => file.messages.flatMap(withNested)),
  TimestampSchema,
];

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}

const byName = new Map(all.map((message) => [message.typeName, message]));

const numbers = {
  [ScalarType.UINT32]: fc.oneof(fc.constant(0), fc.nat(), fc.constant(0xffff_ffff)),
  [ScalarType.INT32]: fc.integer(),
  [ScalarType.SINT32]: fc.integer(),
  [ScalarType.UINT64]: fc.bigInt(0n, 2n ** 64n - 1n),
  [ScalarType.INT64]: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.STRING]: fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string().map((rest) => `\uFEFF${rest}`),
  ),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 300 }),
} as const;

function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  const arbitrary = (numbers as Partial<Record<ScalarType, fc.Arbitrary<unknown>>>)[type];
  if (arbitrary === undefined) throw new Error(`no values of ${ScalarType[type]}`);
  return arbitrary;
}

/** The library loses this one key. */
const mapKey = fc.string().filter((key) => key !== "__proto__");

/** A message with some of its fields set. */
function anyMessage(desc: DescMessage): fc.Arbitrary<Message> {
  return anyInit(desc).map((init) => create(desc, init as MessageInitShape<typeof desc>));
}

function anyInit(desc: DescMessage): fc.Arbitrary<Record<string, unknown>> {
  const members = desc.members.map((member) => {
    const value =
      member.kind === "oneof"
        ? fc.oneof(
            ...member.fields.map((field) =>
              anyValue(field).map((value) => ({ case: field.localName, value })),
            ),
          )
        : anyValue(member);
    return fc.option(value, { nil: undefined, freq: 2 }).map((value) => [member.localName, value]);
  });
  return fc
    .tuple(...members)
    .map((entries) => Object.fromEntries(entries.filter(([, value]) => value !== undefined)));
}

function anyValue(field: DescField): fc.Arbitrary<unknown> {
  if (field.fieldKind === "map") return fc.dictionary(mapKey, fc.string(), { maxKeys: 3 });
  const one =
    field.message !== undefined
      ? anyInit(field.message)
      : field.enum !== undefined
        ? fc.constantFrom(...field.enum.values.map(({ number }) => number))
        : scalar(field.scalar ?? ScalarType.STRING);
  return field.fieldKind === "list" ? fc.array(one, { maxLength: 4 }) : one;
}

test("the tables have the messages of both services", () => {
  expect(Object.keys(messages).sort()).toEqual([...byName.keys()].sort());
});

test.each(Object.keys(messages))("%s is encoded and decoded as by Protobuf-ES", (name) => {
  const desc = byName.get(name);
  if (desc === undefined) throw new Error(`no ${name}`);
  fc.assert(
    fc.property(anyMessage(desc), (message) => {
      const bytes = toBinary(desc, message);
      expect(Buffer.from(encodeMessage(name as MessageName, message as never))).toEqual(Buffer.from(bytes));
      expect({ ...decodeMessage(name as MessageName, bytes) }).toEqual({ ...fromBinary(desc, bytes) });
    }),
    { numRuns: 50 },
  );
});

test.each([
  [Process, processMethods],
  [Filesystem, filesystemMethods],
] as const)("the methods of %s are those that the client can call", (service, methods) => {
  const expected = service.methods
    .filter(({ methodKind }) => methodKind !== "client_streaming")
    .map(({ localName, name, input, output, methodKind }) => [
      localName,
      [name, input.typeName, output.typeName, methodKind === "server_streaming"],
    ]);
  expect(methods).toEqual(Object.fromEntries(expected));
});

test("fields of later versions are skipped, and lists may be sent one by one", () => {
  const unknown = [0xfa, 0x7f, 2, 1, 2];
  const lone = [8, 5, 8, 6];
  expect(decodeMessage("process.ProcessEvent.TimesEvent", Uint8Array.from([...unknown, ...lone]))).toEqual({
    ...{ $typeName: "process.ProcessEvent.TimesEvent", offsets: [5n, 6n], atMs: [], withinMs: [] },
  });
});

test("truncated bytes are an error at every length", () => {
  const bytes = encodeMessage("process.StartRequest", { process: { cmd: "ls", envs: { A: "b" } }, tag: "t" });
  const whole = decodeMessage("process.StartRequest", bytes);
  for (let length = 1; length < bytes.length; length++) {
    const decode = () => decodeMessage("process.StartRequest", bytes.subarray(0, length));
    let isShorter: boolean;
    try {
      isShorter = JSON.stringify(decode()) !== JSON.stringify(whole);
    } catch {
      // As it should be.
      isShorter = true;
    }
    expect(isShorter).toBe(true);
  }
});

test("a value that does not fit its field is an error that names the field", () => {
  const encode = (cols: number) => encodeMessage("process.PTY.Size", { cols, rows: 1 });
  expect(() => encode(-1)).toThrow("cannot encode field process.PTY.Size.cols: invalid uint32: -1");
});
