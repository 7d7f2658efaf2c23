// Everything that the docs quote exists: messages, flags, variables, log lines, metrics, and the
// tables of settings.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command, Option } from "commander";
import { expect, test } from "vitest";
import { exitCodeRows } from "../../../src/cli/exit-codes.ts";
import { createProgram } from "../../../src/cli/program.ts";
import { startAgent } from "../../support/agent/agent.ts";
import { inlineCode, type Page, readPage, readPages, root, tablesIn } from "./pages.ts";
import { isInSources, loggedMessages } from "./source-texts.ts";

const pages = readPages();
const isUpdate = process.env["UPDATE_DOCS"] !== undefined;

/** Messages of other programs, which the docs quote because people meet them. */
const foreignMessages = [/^GLIBC_/, /^libstdc\+\+/, /^Failed to fetch$/, /^write EPROTO/];

test.each(pages)("every message that $path quotes is one of the sources", (page) => {
  const quoted = messagesIn(page).filter((message) => !foreignMessages.some((own) => own.test(message)));
  expect(quoted.filter((message) => !isInSources(message))).toEqual([]);
});

test("a message that the sources do not hold is detected", () => {
  expect(isInSources("port 49983 is in use; …")).toBe(true);
  expect(isInSources("port 49983 is already in use")).toBe(false);
  expect(isInSources("the C++ tool chain is missing")).toBe(false);
});

test("the notices in docs/session.svg are those of the sources", () => {
  const picture = readFileSync(join(root, "docs/session.svg"), "utf8");
  const notices = [...picture.matchAll(/>holdfast: ([^<]*)</g)].map(([, text = ""]) => text);
  expect(notices.length).toBe(2);
  expect(notices.filter((text) => !isInSources(text))).toEqual([]);
});

test("each panel of performance.svg says whether long or short is better", () => {
  const picture = readFileSync(join(root, "docs/background/performance.svg"), "utf8");
  expect(picture.match(/>(longer|shorter) is better</g)).toHaveLength(4);
});

/** Code in the first column of a table of messages, and what holdfast itself says in a session. */
function messagesIn(page: Page): string[] {
  const inTables = tablesIn(page)
    .filter(({ head }) => /^(message|you see)\b/i.test(head[0] ?? ""))
    .flatMap(({ rows }) => rows.map(([cell = ""]) => cell))
    .flatMap((cell) => [...cell.matchAll(/(`+)(?!`)(.+?)\1(?!`)/g)].map(([, , code = ""]) => code.trim()));
  const inSessions = page.blocks
    .filter(({ language }) => language === "console")
    .flatMap(({ content }) => [...content.matchAll(/^holdfast: (.*)$/gm)].map(([, text = ""]) => text));
  return [...inTables, ...inSessions];
}

const program = createProgram(() => undefined);

/** By their words: "ps", "context add". */
const commands = new Map<string, readonly Option[]>(
  commandsOf(program, "").filter(([, own]) => own.length > 0),
);

function commandsOf(parent: Command, path: string): [name: string, options: readonly Option[]][] {
  const shown = parent.commands.filter((command) => !command.name().startsWith("__"));
  return shown.flatMap((command) => {
    const name = `${path}${command.name()}`;
    return [[name, command.options] as [string, readonly Option[]], ...commandsOf(command, `${name} `)];
  });
}

const flags = new Set([...commands.values(), program.options].flat().map(({ long }) => long));

/** Of other programs, and those that commander adds. */
const foreignFlags =
  /^--(help|version|global|build|quick|only|plot|record|seconds|seed|minutes|read-only|tmpfs|time|init|reuid|init-groups|node-options|cpu-prof|trace-gc|semi-space-growth-factor|http2-prior-knowledge|header|experimental-[\w-]+|ignore-scripts|build-sea|prefix|no-save)$/;

test.each(pages.filter(({ path }) => path !== "CHANGELOG.md"))(
  "every flag in the prose of $path is one of holdfast's",
  (page) => {
    const named = inlineCode(page).flatMap((code) => code.match(/(?<![\w-])--[a-z][\w-]*/g) ?? []);
    expect(named.filter((flag) => !flags.has(flag) && !foreignFlags.test(flag))).toEqual([]);
  },
);

test.each(pages)("every command line in $path uses flags that its command has", (page) => {
  const wrong = page.blocks
    .filter(({ language }) => ["sh", "console", "bash"].includes(language))
    .flatMap(({ content }) => commandLines(content))
    .flatMap(({ name, words }) => {
      const own = commands.get(name);
      if (own === undefined) return isWithoutFlags(name) ? [] : [`holdfast ${name}`];
      const known = new Set(own.flatMap(({ long, short }) => [long, short]));
      return words
        .map((word) => word.replace(/=.*/, ""))
        .filter((word) => !known.has(word) && !/^(-h|--help|-V|--version|-)$/.test(word))
        .map((word) => `holdfast ${name} ${word}`);
    });
  expect(wrong).toEqual([]);
});

/** `help`, `context use`. */
function isWithoutFlags(name: string): boolean {
  return name === "help" || commandsOf(program, "").some(([own]) => own === name);
}

/** Flags up to the program that a command line runs. */
function commandLines(script: string): { readonly name: string; readonly words: readonly string[] }[] {
  const lines = script.replace(/\\\n/g, " ").matchAll(/(?:holdfast|main\.cjs) ([a-z]+)((?: [^|;&#\n]*)?)/g);
  return [...lines].map(([, name = "", rest = ""]) => {
    const words = rest.trim().split(/\s+/);
    // "context add" is one command.
    const path = [...commands.keys()].some((own) => own.startsWith(`${name} `))
      ? `${name} ${words.shift()}`
      : name;
    const end = words.indexOf("--");
    const before = end < 0 ? words : words.slice(0, end);
    // `run [options] COMMAND`: what follows the first word that is neither a flag nor a flag's value is the program's.
    const own = commands.get(path) ?? [];
    const taken: string[] = [];
    for (let index = 0; index < before.length; index++) {
      const word = before[index] ?? "";
      if (!word.startsWith("-")) {
        if (name === "run") break;
        continue;
      }
      taken.push(word);
      const option = own.find(({ long, short }) => long === word || short === word);
      if (option?.required === true) index++;
    }
    return { name: path, words: taken };
  });
}

test.each(pages)("every HOLDFAST_ variable in $path is a setting", (page) => {
  const known = new Set([...commands.values()].flat().map(({ envVar }) => envVar));
  // Read by hand: a token has no flag, and neither have choices for tests.
  known
    .add("HOLDFAST_ACCESS_TOKEN")
    .add("HOLDFAST_PTY")
    .add("HOLDFAST_TEST_VOLUME")
    .add("HOLDFAST_SCREENSHOTS");
  const named = page.text.match(/\bHOLDFAST_[A-Z_]*[A-Z]\b/g) ?? [];
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test("docs/reference/settings.md lists every flag of every command", () => {
  const path = "docs/reference/settings.md";
  const page = readPage(path);
  const expected = page.text.replace(
    /(<!-- generated: flags of ([\w ]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => `${start}${settingsTable(name)}${end}`,
  );
  if (isUpdate) writeFileSync(join(root, path), expected);
  else expect(page.text).toBe(expected);
  expect([...page.text.matchAll(/<!-- generated: flags of ([\w ]+) -->/g)].map(([, name]) => name)).toEqual([
    ...commands.keys(),
  ]);
});

test("docs/reference/cli.md lists the exit codes of their owner", () => {
  const path = "docs/reference/cli.md";
  const page = readPage(path);
  const rows = exitCodeRows.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  const expected = page.text.replace(
    /(<!-- generated: exit codes -->\n)[\s\S]*?(<!-- end -->)/,
    (_, start: string, end: string) =>
      `${start}\n| code | commands | meaning |\n|---|---|---|\n${rows}\n${end}`,
  );
  expect(expected).toContain(rows);
  if (isUpdate) writeFileSync(join(root, path), expected);
  else expect(page.text).toBe(expected);
});

function settingsTable(name: string): string {
  const groups = new Map<string, Option[]>();
  for (const option of commands.get(name) ?? []) {
    const heading = option.helpGroupHeading ?? "Options:";
    groups.set(heading, [...(groups.get(heading) ?? []), option]);
  }
  return [...groups]
    .map(([heading, options]) => {
      const rows = options.map((option) => {
        const fallback =
          option.defaultValueDescription ??
          (option.defaultValue === undefined ? "" : `${option.defaultValue}`);
        const variable = option.envVar === undefined ? "" : `\`${option.envVar}\``;
        const cells = [
          `\`${option.flags}\``,
          fallback === "" ? "" : `\`${fallback}\``,
          variable,
          option.description,
        ];
        return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
      });
      const title = groups.size > 1 ? `\n**${heading.replace(/:$/, "")}**\n` : "";
      return `${title}\n| flag | default | variable | meaning |\n|---|---|---|---|\n${rows.join("")}`;
    })
    .join("")
    .concat("\n");
}

// settings.md is compared as a whole.
test("where the docs give a flag's default in a table, it is the default", () => {
  const others = pages.filter(({ path }) => path !== "docs/reference/settings.md");
  const wrong = others.flatMap((page) =>
    tablesIn(page)
      .filter(({ head }) => /flag|setting/i.test(head[0] ?? "") && head[1] === "default")
      .flatMap(({ rows }) => rows)
      .filter(([flag = "", given = ""]) => {
        const name = /^`(?:-\w, )?(--[\w-]+)/.exec(flag)?.[1];
        const option = [...commands.values()].flat().find(({ long }) => long === name);
        const shown = given.replaceAll("`", "");
        return (
          option === undefined ||
          (shown !== "" &&
            shown !== "none" &&
            shown !== (option.defaultValueDescription ?? String(option.defaultValue)))
        );
      })
      .map((row) => `${page.path}: ${row.slice(0, 2).join(" ")}`),
  );
  expect(wrong).toEqual([]);
});

test("docs/reference/metrics.md lists the agent's metrics, each once", async () => {
  const { url } = await startAgent();
  const text = await (await fetch(`${url}/metrics/prometheus`)).text();
  const served = [...text.matchAll(/^# TYPE (holdfast_\w+) /gm)].map(([, name = ""]) => name);
  const listed = tablesIn(readPage("docs/reference/metrics.md"))
    .flatMap(({ rows }) => rows)
    .flatMap(([cell = ""]) => [...cell.matchAll(/`(holdfast_\w+)/g)].map(([, name = ""]) => name));
  expect(listed.toSorted()).toEqual(served.toSorted());
});

test("docs/reference/log-fields.md lists every line that the agent logs", () => {
  const page = readFileSync(join(root, "docs/reference/log-fields.md"), "utf8");
  const missing = loggedMessages().filter((message) => !page.includes(`\`${message}\``));
  expect(missing).toEqual([]);
});

test("docs/background/dependencies.md lists every package that package.json depends on", () => {
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  const listed = tablesIn(readPage("docs/background/dependencies.md"))
    .flatMap(({ rows }) => rows)
    .map(([cell = ""]) => cell.replace(/ [\d.]+(-\w+)?$/, ""));
  expect(listed.toSorted()).toEqual(
    [dependencies, optionalDependencies, devDependencies].flatMap((part) => Object.keys(part)).toSorted(),
  );
});
