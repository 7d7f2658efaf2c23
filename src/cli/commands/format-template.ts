// `--format`: "table", "json", or a template as docker's users type it: "{{.Pid}}\t{{.Tag}}", "table {{.Pid}} {{.User}}",
// "{{json .}}". A subset of Go's templates: fields, and json, upper and lower of a field.

import { type Command, InvalidArgumentError } from "commander";
import { oneLine } from "../../text.ts";

export interface Template {
  readonly kind: "template";
  readonly hasHeadings: boolean;
  readonly parts: readonly Part[];
}

/** Of a command that has the formats `Word` besides templates. */
export type FormatOf<Word extends string> = { readonly kind: Word } | Template;

type Part = string | { readonly field: string; readonly as: "text" | "json" | "upper" | "lower" };

/** The values of the fields of one row, with `.` for the whole row in JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** `words` are the formats that the command has besides templates. Throws InvalidArgumentError that names what is allowed. */
export function readFormat<Word extends "table" | "json">(
  fields: readonly string[],
  words: readonly Word[],
): (text: string) => FormatOf<Word> {
  return (text) => {
    const word = words.find((own) => own === text);
    if (word !== undefined) return { kind: word };
    const hasHeadings = /^table\s/.test(text);
    const template = hasHeadings ? text.replace(/^table\s+/, "") : text;
    const parts = partsOf(template);
    for (const part of parts)
      if (typeof part !== "string" && !fields.includes(part.field) && part.field !== ".")
        throw new InvalidArgumentError(
          `There is no field .${part.field}; the fields are .${fields.join(", .")}.`,
        );
    if (parts.every((part) => typeof part === "string"))
      throw new InvalidArgumentError(
        `A format is ${words.join(", ")}, or a template such as '{{.Pid}} {{.Tag}}'.`,
      );
    return { kind: "template", hasHeadings, parts };
  };
}

/** Two formats on one command line are a mistake in it. */
export function refuseTwoFormats(
  command: Command,
  { json = false, format }: { readonly json?: boolean; readonly format?: FormatOf<string> },
): void {
  if (json && format !== undefined && format.kind !== "json")
    command.error("--json and --format name two formats: leave out one of them");
}

/** "\t" and "\n" are written so in a shell. */
function partsOf(template: string): Part[] {
  const text = template.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  return text.split(/(\{\{.*?\}\})/).map((piece) => {
    if (!piece.startsWith("{{")) return piece;
    const [, as = "text", field] = /^\{\{\s*(?:(json|upper|lower)\s+)?\.(\w*)\s*\}\}$/.exec(piece) ?? [];
    if (field === undefined || (field === "" && as !== "json"))
      throw new InvalidArgumentError(
        `${piece} is not understood; write {{.FIELD}}, {{json .}} or {{upper .FIELD}}.`,
      );
    return { field: field === "" ? "." : field, as: as as "text" };
  });
}

/** Lines without line breaks. */
export function applyTemplate({ hasHeadings, parts }: Template, rows: readonly Fields[]): string[] {
  const lines = rows.map((row) => parts.map((part) => valueText(part, row)).join(""));
  if (!hasHeadings) return lines;
  const headings = parts.map((part) => (typeof part === "string" ? part : part.field.toUpperCase())).join("");
  return aligned([headings, ...lines]);
}

function valueText(part: Part, row: Fields): string {
  if (typeof part === "string") return part;
  const value = row[part.field];
  if (part.as === "json") return JSON.stringify(value);
  // A tag or an argument may hold line breaks, and codes that a terminal obeys.
  const text = oneLine(String(value ?? ""));
  return part.as === "upper" ? text.toUpperCase() : part.as === "lower" ? text.toLowerCase() : text;
}

/** Columns that tabs separate. */
function aligned(lines: readonly string[]): string[] {
  const cells = lines.map((line) => line.split("\t"));
  const widths = (cells[0] ?? []).map((_, at) => Math.max(...cells.map((row) => (row[at] ?? "").length)));
  return cells.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("   ")
      .trimEnd(),
  );
}
