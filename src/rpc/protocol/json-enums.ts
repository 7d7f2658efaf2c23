// Refuses unknown names of enum values in JSON messages. The library ignores unknown fields, as it must for newer clients,
// and then also ignores such names: `"lag":"LAG_SKPI"` would attach a blocking client instead of an observer. Unknown numbers
// arrive and are refused where they are used.

import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { clip } from "../../text.ts";

/**
 * Throws `invalid_argument` with the field and the name. Text that is not JSON passes: the decoder refuses it. Returns
 * whether it had to parse the text.
 */
export type EnumCheck = (text: string) => boolean;

/** Undefined if messages of this type hold no enum. */
export function createEnumCheck(message: DescMessage): EnumCheck | undefined {
  const names = new Set(enumFieldNames(message, new Set()));
  if (names.size === 0) return undefined;
  const quoted = [...names].map((name) => `"${name}"`);
  return (text) => {
    // Most messages use no enum. A name can be written with escapes, but not without `\u`.
    if (!quoted.some((name) => text.includes(name)) && !text.includes("\\u")) return false;
    checkMessage(message, parsed(text), "");
    return true;
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the decoder says where.
    return undefined;
  }
}

function enumFieldNames(message: DescMessage, seen: Set<DescMessage>): string[] {
  if (seen.has(message)) return [];
  seen.add(message);
  return message.fields.flatMap((field) => {
    if (field.enum !== undefined) return namesOf(field);
    return field.message === undefined ? [] : enumFieldNames(field.message, seen);
  });
}

/** JSON may use either. */
function namesOf({ jsonName, name }: DescField): string[] {
  return [...new Set([jsonName, name])];
}

/** `path` leads to `json`, in the names of the .proto file: `output.`. */
function checkMessage(message: DescMessage, json: unknown, path: string): void {
  if (typeof json !== "object" || json === null) return;
  const members = json as Readonly<Record<string, unknown>>;
  for (const field of message.fields) {
    if (field.enum === undefined && field.message === undefined) continue;
    for (const name of namesOf(field))
      if (Object.hasOwn(members, name)) checkField(field, members[name], path + field.name);
  }
}

function checkField(field: DescField, json: unknown, path: string): void {
  const isMany = field.fieldKind === "list" || field.fieldKind === "map";
  const values = isMany && typeof json === "object" && json !== null ? Object.values(json) : [json];
  for (const value of values) {
    if (field.enum !== undefined) checkName(field.enum, value, path);
    else if (field.message !== undefined) checkMessage(field.message, value, `${path}.`);
  }
}

function checkName({ values }: DescEnum, json: unknown, path: string): void {
  if (typeof json !== "string" || values.some(({ name }) => name === json)) return;
  const known = values.map(({ name }) => name).filter((name) => !name.endsWith("_UNSPECIFIED"));
  throw new ConnectError(
    `${path} ${JSON.stringify(clip(json))} is unknown; give one of ${known.join(", ")}`,
    Code.InvalidArgument,
  );
}
