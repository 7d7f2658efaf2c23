// Encodes and decodes the messages of the agent's services by their tables (src/gen/tables.ts): byte for byte as
// Protobuf-ES does it. That would first parse the descriptors of all messages, which takes a command 27 ms.

import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Field, type FieldType, messages, type Schemas } from "../../gen/tables.ts";

export type MessageName = keyof Schemas;
export type Init<Name extends MessageName> = MessageInitShape<Schemas[Name]>;
export type Shape<Name extends MessageName> = MessageShape<Schemas[Name]>;

type Fields = Record<string, unknown>;

/** Throws an error that names the field when a value does not fit its type. */
export function encodeMessage<Name extends MessageName>(name: Name, message: Init<Name>): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, name, message as Fields);
  return writer.finish();
}

/** Skips fields that the tables do not have. Throws when `bytes` are not such a message. */
export function decodeMessage<Name extends MessageName>(name: Name, bytes: Uint8Array): Shape<Name> {
  return readFields(new BinaryReader(bytes, decodeUtf8), name, bytes.length) as Shape<Name>;
}

const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The library's own decoder drops a byte order mark at the beginning of a string. */
function decodeUtf8(bytes: Uint8Array, isStrict?: boolean): string {
  return (isStrict === true ? strict : lenient).decode(bytes);
}

// ── Encoding ──────────────────────────────────────────────────────────────────────────────────────────────────────

function writeFields(writer: BinaryWriter, name: MessageName, message: Fields): void {
  for (const field of messages[name]) {
    const value = sentValue(field, message);
    if (value === undefined) continue;
    try {
      writeField(writer, field, value);
    } catch (cause) {
      if (!(cause instanceof Error) || cause.message.startsWith("cannot encode")) throw cause;
      throw new Error(`cannot encode field ${name}.${field[1]}: ${cause.message}`, { cause });
    }
  }
}

/** Undefined if the field is not sent. */
function sentValue([, name, type, how, oneof]: Field, message: Fields): unknown {
  if (how === "oneof") {
    const choice = message[oneof] as { case?: string; value?: unknown } | undefined;
    return choice?.case === name ? choice.value : undefined;
  }
  const value = message[name];
  return how === "always" && isDefault(type, value) ? undefined : value;
}

function isDefault(type: FieldType, value: unknown): boolean {
  if (type === "bytes") return (value as Uint8Array | undefined)?.length === 0;
  return value === false || value === 0 || value === 0n || value === "";
}

function writeField(writer: BinaryWriter, [number, , type, how, , message]: Field, value: unknown): void {
  if (how === "map") {
    for (const [key, text] of Object.entries(value as Readonly<Record<string, string>>))
      writer
        .tag(number, WireType.LengthDelimited)
        .fork()
        .tag(1, WireType.LengthDelimited)
        .string(wholeText(key))
        .tag(2, WireType.LengthDelimited)
        .string(wholeText(text))
        .join();
    return;
  }
  if (how !== "list") {
    writeOne(writer, number, type, message, value);
    return;
  }
  const items = value as readonly unknown[];
  if (wireTypeOf(type) === WireType.LengthDelimited) {
    for (const item of items) writeOne(writer, number, type, message, item);
    return;
  }
  if (items.length === 0) return;
  writer.tag(number, WireType.LengthDelimited).fork();
  for (const item of items) writeScalar(writer, type, item);
  writer.join();
}

function writeOne(
  writer: BinaryWriter,
  number: number,
  type: FieldType,
  message: MessageName | "",
  value: unknown,
): void {
  writer.tag(number, wireTypeOf(type));
  if (message === "") {
    writeScalar(writer, type, value);
    return;
  }
  writer.fork();
  writeFields(writer, message, value as Fields);
  writer.join();
}

function wireTypeOf(type: FieldType): WireType {
  return type === "string" || type === "bytes" || type === "message"
    ? WireType.LengthDelimited
    : WireType.Varint;
}

function writeScalar(writer: BinaryWriter, type: FieldType, value: unknown): void {
  if (type === "string") writer.string(wholeText(value));
  else if (type === "bytes") writer.bytes(value as Uint8Array);
  else if (type === "bool") writer.bool(value as boolean);
  else if (type === "uint32") writer.uint32(value as number);
  else if (type === "sint32") writer.sint32(value as number);
  else if (type === "int64") writer.int64(value as bigint);
  else if (type === "uint64") writer.uint64(value as bigint);
  else writer.int32(value as number);
}

/** UTF-8 has no form for half of a surrogate pair. The writer would send another character, the name of another file. */
function wholeText(value: unknown): string {
  const text = value === undefined ? "" : String(value);
  if (/\p{Surrogate}/u.test(text)) throw new Error(`${JSON.stringify(text)} has half of a surrogate pair`);
  return text;
}

// ── Decoding ──────────────────────────────────────────────────────────────────────────────────────────────────────

function readFields(reader: BinaryReader, name: MessageName, bytes: number): Fields {
  const end = reader.pos + bytes;
  if (end > reader.len) throw new RangeError("premature EOF");
  const message = emptyMessage(name);
  const fields = fieldsOf(name);
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const field = fields.get(number);
    if (field === undefined) reader.skip(wireType, number);
    else readField(reader, field, wireType, message);
  }
  return message;
}

const fieldsByNumber = new Map<MessageName, ReadonlyMap<number, Field>>();

function fieldsOf(name: MessageName): ReadonlyMap<number, Field> {
  const known = fieldsByNumber.get(name);
  if (known !== undefined) return known;
  const fields = new Map(messages[name].map((field) => [field[0], field]));
  fieldsByNumber.set(name, fields);
  return fields;
}

function emptyMessage($typeName: MessageName): Fields {
  const message: Fields = { $typeName };
  for (const [, name, type, how, oneof] of messages[$typeName])
    if (how === "oneof") message[oneof] = { case: undefined };
    else if (how === "list") message[name] = [];
    else if (how === "map") message[name] = {};
    else if (how === "always") message[name] = defaultOf(type);
  return message;
}

function defaultOf(type: FieldType): unknown {
  if (type === "string") return "";
  if (type === "bool") return false;
  if (type === "bytes") return new Uint8Array();
  return type === "int64" || type === "uint64" ? 0n : 0;
}

function readField(reader: BinaryReader, field: Field, wireType: WireType, message: Fields): void {
  const [, name, type, how, oneof, of] = field;
  if (how === "oneof") {
    message[oneof] = { case: name, value: readOne(reader, type, of) };
  } else if (how === "map") {
    const [key, text] = readEntry(reader);
    // Not an assignment: the key may be "__proto__".
    Object.defineProperty(message[name], key, {
      ...{ value: text, enumerable: true, configurable: true, writable: true },
    });
  } else if (how === "list") {
    const items = message[name] as unknown[];
    const isPacked = wireType === WireType.LengthDelimited && wireTypeOf(type) === WireType.Varint;
    const end = isPacked ? reader.uint32() + reader.pos : 0;
    do if (!isPacked || reader.pos < end) items.push(readOne(reader, type, of));
    while (reader.pos < end);
  } else {
    message[name] = readOne(reader, type, of);
  }
}

function readEntry(reader: BinaryReader): readonly [string, string] {
  const size = reader.uint32();
  const end = reader.pos + size;
  let [key, text] = ["", ""];
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    if (number === 1) key = reader.string();
    else if (number === 2) text = reader.string();
    else reader.skip(wireType, number);
  }
  return [key, text];
}

function readOne(reader: BinaryReader, type: FieldType, message: MessageName | ""): unknown {
  if (message !== "") return readFields(reader, message, reader.uint32());
  if (type === "string") return reader.string(true);
  if (type === "bytes") return reader.bytes();
  if (type === "bool") return reader.bool();
  if (type === "uint32") return reader.uint32();
  if (type === "sint32") return reader.sint32();
  if (type === "int64") return reader.int64();
  if (type === "uint64") return reader.uint64();
  return reader.int32();
}
