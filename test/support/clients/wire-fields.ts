// Which fields an encoded message contains, read from its bytes, fields unknown to the schema
// included.

import { type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** As paths of field numbers, `1.2.100`. The content of an unknown field is not parsed. */
export function binaryFields(schema: DescMessage, bytes: Uint8Array, prefix = ""): string[] {
  const reader = new BinaryReader(bytes);
  const found: string[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const path = `${prefix}${number}`;
    found.push(path);
    const nested = nestedMessage(schema, number);
    if (nested !== undefined && wireType === WireType.LengthDelimited)
      found.push(...binaryFields(nested, reader.bytes(), `${path}.`));
    else reader.skip(wireType, number);
  }
  return found;
}

/** The same for JSON; an unknown field has the number 0. */
export function jsonFields(schema: DescMessage, value: object, prefix = ""): string[] {
  return Object.entries(value).flatMap(([name, content]) => {
    const field = schema.fields.find(({ jsonName }) => jsonName === name);
    const path = `${prefix}${field?.number ?? 0}`;
    const nested = nestedMessage(schema, field?.number ?? 0);
    if (nested === undefined) return [path];
    const values: object[] = Array.isArray(content) ? content : [content];
    return [path, ...values.flatMap((each) => jsonFields(nested, each, `${path}.`))];
  });
}

function nestedMessage(schema: DescMessage, number: number): DescMessage | undefined {
  const field = schema.fields.find((each) => each.number === number);
  // A map's entries are messages, but have no schema of their own here.
  if (field?.fieldKind === "map" || field?.scalar === ScalarType.BYTES) return undefined;
  return field?.message;
}
