// The pages that people read, cut into what the tests beside this file check: links, headings, blocks of code, tables.
// CONTRIBUTING.md, "The docs are tested", has the rules for an author.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "../../..");

export interface Block {
  readonly language: string;
  readonly content: string;
  /** Of its first fence, counted from 1. */
  readonly line: number;
  /** The content of the HTML comment on the line above: a file's path, or `not run: REASON`. */
  readonly marker: string | undefined;
  /** The content of the `text` block that follows it. */
  readonly output: string | undefined;
}

export interface Page {
  /** From the repository's root: docs/README.md. */
  readonly path: string;
  readonly text: string;
  /** The text with every block of code blanked, line by line. */
  readonly prose: string;
  readonly blocks: readonly Block[];
}

const topPages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md"];

export function readPages(): Page[] {
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`);
  return [...topPages, ...docs.sort()].map(readPage);
}

export function readPage(path: string): Page {
  const text = readFileSync(join(root, path), "utf8");
  return { path, text, prose: withoutBlocks(text), blocks: blocksIn(text) };
}

const fenced = /^(?:<!-- (.*?) -->\n)?(```+)(\w*)\n([\s\S]*?)^\2\n(?:\n```text\n([\s\S]*?)^```\n)?/gm;

function blocksIn(text: string): Block[] {
  return [...text.matchAll(fenced)].map(
    ({ index, 1: marker, 3: language = "", 4: content = "", 5: output }) => ({
      language,
      content,
      line: text.slice(0, index).split("\n").length + (marker === undefined ? 0 : 1),
      marker,
      output,
    }),
  );
}

function withoutBlocks(text: string): string {
  return text.replace(/^(```+)\w*\n[\s\S]*?^\1$/gm, (block) => block.replace(/[^\n]/g, ""));
}

/** The texts between backticks in the prose. */
export function inlineCode({ prose }: Page): string[] {
  return [...prose.matchAll(/(`+)(?!`)(.+?)\1(?!`)/g)].map(([, , code = ""]) => code.trim());
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function tablesIn({ prose }: Page): Table[] {
  return [...prose.matchAll(/(?:^\|.*\|\n){2,}/gm)].map(([table]) => {
    const [head = [], , ...rows] = table.trimEnd().split("\n").map(cellsOf);
    return { head, rows };
  });
}

function cellsOf(line: string): string[] {
  return line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** As GitHub makes them from headings: lower case, blanks as hyphens, no other signs, a number for a repetition. */
export function anchorsOf({ prose }: Page): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose.matchAll(/^#+ +(.*)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
    const slug = plain
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}
