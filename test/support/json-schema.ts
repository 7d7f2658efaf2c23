// Checks a value against the part of JSON Schema that docs/reference/cli.schema.json uses. Throws for a keyword that it
// does not know, so that a schema is never accepted without being understood.

export interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly oneOf?: readonly Schema[];
}

const keywords = ["type", "enum", "items", "properties", "required", "additionalProperties", "oneOf"];

/** The violations, each with its path; empty for a valid value. */
export function violations(value: unknown, schema: Schema, path = "$"): string[] {
  const unknown = Object.keys(schema).filter((keyword) => !keywords.includes(keyword));
  if (unknown.length > 0) throw new Error(`${path}: the checker does not know ${unknown.join(", ")}`);
  if (schema.oneOf !== undefined) {
    const all = schema.oneOf.map((option) => violations(value, option, path));
    return all.filter((found) => found.length === 0).length === 1 ? [] : [`${path}: ${JSON.stringify(all)}`];
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${path} is ${JSON.stringify(value)}, not one of ${JSON.stringify(schema.enum)}`];
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some((type) => isOfType(value, type)))
    return [`${path} is ${JSON.stringify(value)}, not ${types.join(" or ")}`];
  if (Array.isArray(value))
    return value.flatMap((item, at) =>
      schema.items ? violations(item, schema.items, `${path}[${at}]`) : [],
    );
  if (typeof value !== "object" || value === null || schema.properties === undefined) return [];
  return objectViolations(value, schema, path);
}

function objectViolations(
  value: object,
  { properties = {}, required = [], additionalProperties }: Schema,
  path: string,
) {
  const missing = required
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${path}.${name} is missing`);
  const found = Object.entries(value).flatMap(([name, member]) => {
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (schema !== undefined) return violations(member, schema, `${path}.${name}`);
    return additionalProperties === false ? [`${path}.${name} is not described`] : [];
  });
  return [...missing, ...found];
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
