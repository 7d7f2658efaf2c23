// All texts that the sources hold, so that a message quoted in the docs can be looked up.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "rolldown/parseAst";
import { root } from "./pages.ts";

/** A text with holes: what lies between its parts is known at run time only. */
export type Pattern = readonly string[];

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

let cached: { readonly texts: Pattern[]; readonly logged: string[] } | undefined;

/** Every string and template literal of src/, and what `+` makes of them. */
export function sourceTexts(): readonly Pattern[] {
  return sources().texts;
}

/** The message of each call of a logger. */
export function loggedMessages(): readonly string[] {
  return sources().logged;
}

function sources() {
  if (cached !== undefined) return cached;
  const texts: Pattern[] = [];
  const logged: string[] = [];
  for (const name of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
    if (!/\.c?ts$/.test(name) || name.startsWith("gen/")) continue;
    const ast = parseAst(readFileSync(join(root, "src", name), "utf8"), { lang: "ts" });
    walk(ast as unknown as Node, (node) => {
      const pattern = patternOf(node);
      if (pattern.some((part) => part.length > 1)) texts.push(pattern);
      const message = loggedBy(node);
      if (message !== undefined) logged.push(message.join("…"));
    });
  }
  cached = { texts, logged };
  return cached;
}

function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "type") === "string";
}

/** Of what is not a text at all: two empty parts, a hole between them. */
function patternOf(node: Node): Pattern {
  switch (node.type) {
    case "Literal":
      return typeof node["value"] === "string" ? [node["value"]] : ["", ""];
    case "TemplateLiteral": {
      const parts = (node["quasis"] as { value: { cooked: string } }[]).map(({ value }) => value.cooked);
      const inner = (node["expressions"] as Node[]).map(patternOf);
      return parts.slice(1).reduce<Pattern>(
        (pattern, part, index) => {
          const hole = inner[index] ?? ["", ""];
          return join2(join2(pattern, hole), [part]);
        },
        [parts[0] ?? ""],
      );
    }
    case "BinaryExpression":
      if (node["operator"] !== "+") return ["", ""];
      return join2(patternOf(node["left"] as Node), patternOf(node["right"] as Node));
    default:
      return ["", ""];
  }
}

function join2(one: Pattern, other: Pattern): Pattern {
  const [first = "", ...rest] = other;
  return [...one.slice(0, -1), `${one.at(-1) ?? ""}${first}`, ...rest];
}

function loggedBy(node: Node): Pattern | undefined {
  if (node.type !== "CallExpression") return undefined;
  const callee = node["callee"] as Node;
  if (callee.type !== "MemberExpression") return undefined;
  const method = (callee["property"] as Node)["name"];
  if (!["debug", "info", "warn", "error"].includes(String(method))) return undefined;
  const [fields, message] = node["arguments"] as (Node | undefined)[];
  if (fields === undefined || message === undefined) return undefined;
  const pattern = patternOf(message);
  return pattern.join("") === "" ? undefined : pattern;
}

/**
 * Whether `quoted`, in which `…` stands for anything, may be what some text of the sources becomes. Two thirds of it must
 * be the source's own words: a hole is no proof.
 */
export function isInSources(quoted: string): boolean {
  const wanted = quoted.split("…");
  const letters = wanted.join("").length;
  return sourceTexts().some((pattern) => {
    const own = pattern.join("").length;
    return own * 3 >= letters * 2 - 10 && own > 5 && overlap(wanted, pattern);
  });
}

/** Whether some text fits both patterns; `quoted` may be a part of the other one only where it begins or ends with a hole. */
function overlap(quoted: Pattern, source: Pattern): boolean {
  const [one, other] = [tokens(quoted), tokens(source)];
  const known = new Map<number, boolean>();
  const fits = (i: number, j: number): boolean => {
    const key = i * (other.length + 1) + j;
    const before = known.get(key);
    if (before !== undefined) return before;
    known.set(key, false);
    const result = compare(i, j);
    known.set(key, result);
    return result;
  };
  const compare = (i: number, j: number): boolean => {
    const [a, b] = [one[i], other[j]];
    if (a === undefined && b === undefined) return true;
    if (a === HOLE && fits(i + 1, j)) return true;
    if (b === HOLE && fits(i, j + 1)) return true;
    if (a === HOLE && b !== undefined) return fits(i, j + 1);
    if (b === HOLE && a !== undefined) return fits(i + 1, j);
    return a !== undefined && a === b && fits(i + 1, j + 1);
  };
  return fits(0, 0);
}

const HOLE = Symbol("hole");

function tokens(pattern: Pattern): (string | typeof HOLE)[] {
  return pattern.flatMap((part, index) => (index === 0 ? [...part] : [HOLE, ...part]));
}
