// @ts-check
// Writes docs/reference/client-api.md from the types and comments of src/client. `npm run generate` runs
// it, and a test compares its output with the committed page. Reads the syntax tree, because the
// TypeScript compiler has no JavaScript API any more.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAst } from "rolldown/parseAst";

const root = join(import.meta.dirname, "..");
const entry = join(root, "src/client/index.ts");
const page = join(root, "docs/reference/client-api.md");

/**
 * One exported declaration.
 * @typedef {{ name: string, kind: string, heading: string, doc: string[], signature: string, members: Member[], isShared: boolean }} Declaration
 * @typedef {{ signature: string, doc: string[] }} Member
 * @typedef {any} Node
 */

const INTRO = `# Client API

<!-- Generated from src/client by scripts/client-reference.mjs: do not edit. -->

Every export of \`holdfast/client\`. All sizes are bytes and all times are milliseconds. An offset counts the
bytes of a process's output since its start: stdout, stderr and pty together, in the order the agent read them.`;

/** The page's text. Throws for an export without a comment, and for syntax that it does not know. */
export function clientReference() {
  // ErrorCode is part of ClientErrorCode, but not an export of its own.
  const declarations = [
    ...exportsOf(entry),
    ...exportsOf(join(root, "src/errors.ts"), new Set(["ErrorCode"])),
  ];
  // In the order of types.ts, the rest after it.
  declarations.sort((one, other) => Number(one.isShared) - Number(other.isShared));
  const names = declarations.map(({ name }) => name);
  const groups = [
    ["Functions", declarations.filter(({ kind }) => kind === "function")],
    [
      "Objects",
      declarations.filter(({ kind, name }) => kind === "type" && /^(Client|RemoteProcess|Files)$/.test(name)),
    ],
    ["Errors", declarations.filter(({ kind }) => kind === "class")],
    [
      "Types",
      declarations.filter(
        ({ kind, name }) => kind === "type" && !/^(Client|RemoteProcess|Files)$/.test(name),
      ),
    ],
  ];
  const sections = groups.flatMap(([title, members]) => [
    `## ${title}`,
    .../** @type {Declaration[]} */ (members).map((declaration) => section(declaration, names)),
  ]);
  const contents = groups.map(
    ([title, members]) =>
      `- ${title}: ${/** @type {Declaration[]} */ (members).map(({ name, heading }) => `[${name}](#${anchor(heading)})`).join(", ")}`,
  );
  return `${[INTRO, contents.join("\n"), ...sections].join("\n\n")}\n`;
}

/**
 * @param {Declaration} declaration
 * @param {readonly string[]} names
 */
function section({ name, heading, doc, signature, members }, names) {
  const used = names.filter(
    (other) => other !== name && mentions([signature, ...members.map((m) => m.signature)], other),
  );
  const links = used.map((other) => `[\`${other}\`](#${anchor(other)})`);
  return [
    `### ${heading}`,
    ...doc,
    ...(signature === "" ? [] : [`\`\`\`ts\n${signature}\n\`\`\``]),
    ...(members.length === 0 ? [] : [members.map(memberItem).join("\n")]),
    ...(links.length === 0 ? [] : [`Uses ${links.join(", ")}.`]),
  ].join("\n\n");
}

/** @param {Member} member */
function memberItem({ signature, doc }) {
  const [first, ...rest] = doc;
  return [
    `- \`${signature}\`${first === undefined ? "" : `: ${first}`}`,
    ...rest.map((text) => `\n  ${text}`),
  ].join("\n");
}

/**
 * @param {readonly string[]} texts
 * @param {string} name
 */
function mentions(texts, name) {
  return texts.some((text) => new RegExp(`\\b${name}\\b`).test(text.replace(/"[^"]*"/g, "")));
}

/** As GitHub makes it. @param {string} heading */
function anchor(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .replace(/\s/g, "-");
}

/**
 * The exported declarations of a module, those of re-exported modules included.
 * @param {string} file
 * @param {ReadonlySet<string>} [only]
 * @returns {Declaration[]}
 */
function exportsOf(file, only) {
  const text = readFileSync(file, "utf8");
  const { body } = /** @type {Node} */ (parseAst(text, { lang: "ts" }));
  return body.flatMap((/** @type {Node} */ node) => {
    if (node.type === "ExportAllDeclaration") return exportsOf(join(dirname(file), node.source.value));
    if (node.type !== "ExportNamedDeclaration") return [];
    if (node.source) {
      const wanted = new Set(node.specifiers.map((/** @type {Node} */ { exported }) => exported.name));
      return exportsOf(join(dirname(file), node.source.value), wanted);
    }
    if (node.declaration.type === "VariableDeclaration") return [];
    const { name } = node.declaration.id;
    if (only !== undefined && !only.has(name)) return [];
    return [{ ...declarationOf(text, node, file), isShared: !file.endsWith("types.ts") }];
  });
}

/**
 * @param {string} text
 * @param {Node} node
 * @param {string} file
 * @returns {Omit<Declaration, "isShared">}
 */
function declarationOf(text, { declaration, start }, file) {
  const { name } = declaration.id;
  const doc = commentBefore(text, start);
  const of = (/** @type {{ start: number, end: number }} */ part) => text.slice(part.start, part.end);
  if (doc.length === 0) throw new Error(`${file}: ${name} has no comment`);
  switch (declaration.type) {
    case "FunctionDeclaration": {
      const head = text.slice(declaration.start, declaration.body.start).trim();
      return { name, kind: "function", heading: `${name}()`, doc, signature: head, members: [] };
    }
    case "TSInterfaceDeclaration":
      return {
        name,
        kind: "type",
        heading: name,
        doc,
        signature:
          declaration.extends.length === 0
            ? ""
            : text.slice(declaration.start, declaration.body.start).trim(),
        members: membersOf(text, declaration.body.body),
      };
    case "TSTypeAliasDeclaration":
      return {
        name,
        kind: "type",
        heading: name,
        doc,
        signature: of(declaration).replace(/;$/, ""),
        members: [],
      };
    case "ClassDeclaration":
      return {
        name,
        kind: "class",
        heading: name,
        doc,
        signature: text.slice(declaration.start, declaration.body.start).trim(),
        members: membersOf(
          text,
          declaration.body.body.filter(
            (/** @type {Node} */ { type, override }) => type === "PropertyDefinition" && !override,
          ),
        ),
      };
    default:
      throw new Error(`${file}: cannot describe a ${declaration.type}`);
  }
}

/**
 * @param {string} text
 * @param {Node[]} nodes
 * @returns {Member[]}
 */
function membersOf(text, nodes) {
  return nodes.map(({ start, end }) => ({
    signature: text
      .slice(start, end)
      .replace(/^readonly /, "")
      .replace(/;$/, "")
      .replace(/\s+/g, " ")
      .replaceAll("readonly ", ""),
    doc: commentBefore(text, start),
  }));
}

/**
 * The paragraphs of the doc comment that ends right before `start`; none without one.
 * @param {string} text
 * @param {number} start
 * @returns {string[]}
 */
function commentBefore(text, start) {
  const before = text.slice(0, start).trimEnd();
  if (!before.endsWith("*/")) return [];
  const comment = before.slice(before.lastIndexOf("/**") + 3, -2);
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\* ?/, "").trimEnd());
  return lines
    .join("\n")
    .trim()
    .split(/\n\n+/)
    .map((paragraph) =>
      paragraph.startsWith("    ")
        ? `\`\`\`ts\n${paragraph.replace(/^ {4}/gm, "")}\n\`\`\``
        : paragraph.replace(/\s*\n\s*/g, " "),
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(dirname(page), { recursive: true });
  writeFileSync(page, clientReference());
}
