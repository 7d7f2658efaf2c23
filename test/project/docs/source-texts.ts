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

/** Every string and template literal of the sources, and what `+` makes of them. */
function sourceTexts(): readonly Pattern[] {
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
  for (const path of sourceFiles()) {
    const ast = parseAst(readFileSync(join(root, path), "utf8"), { lang: "ts" });
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

/** scripts/binary is the part of the executable that loads the agent. */
function sourceFiles(): string[] {
  return ["src", "scripts/binary"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|cts|mjs)$/.test(name) && !name.startsWith("gen/"))
      .map((name) => `${folder}/${name}`),
  );
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
    case "LogicalExpression": {
      const fallback = patternOf(node["right"] as Node);
      return fallback.join("") === "" ? ["", ""] : fallback;
    }
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
 * Whether `quoted`, in which `…` stands for anything, may be what some text of the sources becomes. Two fifths of it must be the
 * source's own letters, and at least eight: a hole of the source fits anything and proves nothing.
 */
export function isInSources(quoted: string): boolean {
  const wanted = tokens(quoted.split("…"));
  const letters = wanted.filter((token) => token !== HOLE).length;
  const least = Math.max(Math.min(8, letters), letters * 0.4);
  return sourceTexts().some((pattern) => {
    if (pattern.join("").length < least) return false;
    const shared = sharedLetters(wanted, tokens(pattern));
    return shared !== undefined && shared >= least;
  });
}

/** How many letters stand in both patterns, of a text that fits both; undefined where none does. */
function sharedLetters(quoted: readonly Token[], source: readonly Token[]): number | undefined {
  const width = source.length + 1;
  // best[i * width + j]: of what is left from token i of the one and j of the other.
  const best = new Int16Array((quoted.length + 1) * width).fill(NEVER);
  best[quoted.length * width + source.length] = 0;
  const at = (i: number, j: number): number => best[i * width + j] ?? NEVER;
  for (let i = quoted.length; i >= 0; i--) {
    for (let j = source.length; j >= 0; j--) {
      const [a, b] = [quoted[i], source[j]];
      let most = at(i, j);
      // A hole takes nothing, or one token of the other text.
      if (a === HOLE) most = Math.max(most, at(i + 1, j), b === undefined ? NEVER : at(i, j + 1));
      if (b === HOLE) most = Math.max(most, at(i, j + 1), a === undefined ? NEVER : at(i + 1, j));
      if (a !== undefined && a !== HOLE && a === b) most = Math.max(most, plusOne(at(i + 1, j + 1)));
      best[i * width + j] = most;
    }
  }
  const most = at(0, 0);
  return most < 0 ? undefined : most;
}

const NEVER = -1;

function plusOne(count: number): number {
  return count < 0 ? NEVER : count + 1;
}

const HOLE = Symbol("hole");
type Token = string | typeof HOLE;

function tokens(pattern: Pattern): Token[] {
  return pattern.flatMap((part, index) => (index === 0 ? [...part] : [HOLE, ...part]));
}
