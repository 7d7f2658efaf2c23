// The folders' arrow as biome.jsonc keeps it: an import that crosses a folder is either allowed here by name or
// refused; and what STYLE.md rules out in any file. All cases are written to a temporary folder and linted in one run
// under the project's configuration.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

const allowed = {
  src: ["./errors.ts", "node:os"],
  "src/multiplexer": ["./window.ts", "../errors.ts"],
  "src/process": [
    "./reaper.ts",
    "./pty/open.ts",
    "../errors.ts",
    "../logger.ts",
    "../multiplexer/index.ts",
    "koffi",
  ],
  "src/rpc": ["./auth.ts", "../errors.ts", "../logger.ts", "../gen/process_pb.ts", "../multiplexer/index.ts"],
  "src/rpc/codec": ["./json.ts"],
  "src/control": [
    "./init.ts",
    "../errors.ts",
    "../logger.ts",
    "../token-format.ts",
    "../process/index.ts",
    "../rpc/index.ts",
    "prom-client",
  ],
  "src/client": ["./types.ts", "../errors.ts", "../gen/process_pb.ts", "@connectrpc/connect"],
  "src/cli": [
    "./main.ts",
    "../errors.ts",
    "../logger.ts",
    "../client/index.ts",
    "../control/index.ts",
    "../process/index.ts",
    "../rpc/index.ts",
    "../token-format.ts",
    "node:net",
  ],
  "test/rpc": ["../../src/rpc/auth.ts", "../../src/process/index.ts", "node:child_process"],
};

const refused = {
  src: ["./process/index.ts", "./gen/process_pb.ts", "../test/support/agent.ts"],
  "src/multiplexer": [
    "../process/index.ts",
    "../rpc/index.ts",
    "../cli/index.ts",
    "../logger.ts",
    "node:fs",
    "koffi",
  ],
  "src/process": ["../rpc/index.ts", "../cli/index.ts", "../gen/process_pb.ts", "../multiplexer/window.ts"],
  "src/rpc": [
    "../cli/index.ts",
    "../client/index.ts",
    "../multiplexer/window.ts",
    "../process/sub/index.ts",
    "node:child_process",
  ],
  "src/control": [
    "../cli/program.ts",
    "../client/index.ts",
    "../gen/process_pb.ts",
    "../multiplexer/index.ts",
    "../rpc/access-token.ts",
    "../process/process.ts",
    "node:child_process",
  ],
  "src/client": [
    "../rpc/index.ts",
    "../process/index.ts",
    "../multiplexer/index.ts",
    "../cli/program.ts",
    "../logger.ts",
    "node:http",
    "node:timers/promises",
    "@connectrpc/connect-node",
  ],
  "src/cli": [
    "../client/output.ts",
    "../multiplexer/index.ts",
    "../gen/process_pb.ts",
    "../rpc/auth.ts",
    "../control/init.ts",
    "../process/reaper.ts",
  ],
};

// However an import of another folder's inside is spelled.
const spellings = [
  'import { x } from "../process/reaper.ts"; x();',
  'import "../process/reaper.ts";',
  'import type { X } from "../process/reaper.ts"; export type Y = X;',
  'export { x } from "../process/reaper.ts";',
  'export * from "../process/reaper.ts";',
  'export const x = await import("../process/reaper.ts");',
  'export type X = import("../process/reaper.ts").X;',
  'import { x } from "../process/reaper.ts"; x();',
  'import { x } from "../process/reaper.ts"; x();',
  'import { x } from "../../src/process/reaper.ts"; x();',
  'import { x } from ".."; x();',
];

const cases = [
  ...importsIn(allowed, "allowed"),
  ...importsIn(refused, "refused"),
  ...spellings.map((code) => ({ folder: "src/rpc", code, verdict: "refused" })),
].map((entry, index) => ({ ...entry, file: `${entry.folder}/case-${index}.ts` }));

const style: [rule: string, code: string][] = [
  ["suspicious/noExplicitAny", "export const x: any = 1;"],
  ["style/noNonNullAssertion", "export const x = process.env!;"],
  ["style/noEnum", "export enum X { A }"],
  ["style/noNamespace", "export namespace X { export const a = 1; }"],
  ["style/noParameterProperties", "export class X { constructor(readonly a: number) {} }"],
  ["style/noDefaultExport", "export default 1;"],
  ["style/useNodejsImportProtocol", 'import { EOL } from "os"; export const x = EOL;'],
  ["suspicious/noEmptyBlockStatements", "try { process.cwd(); } catch {}"],
  ["correctness/noUnusedImports", 'import { EOL } from "node:os";'],
  ["correctness/noUnusedVariables", "const x = 1;"],
  ["nursery/noFloatingPromises", "const f = async () => 1; f();"],
];
const styleCases = style.map(([rule, code], index) => ({ rule, code, file: `test/style/case-${index}.ts` }));

let project: string;
let findings: Finding[];

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "holdfast-boundaries-"));
  for (const part of ["biome.jsonc", "scripts/lint"]) {
    cpSync(join(root, part), join(project, part), { recursive: true });
  }
  for (const { file, code } of [...cases, ...styleCases]) {
    mkdirSync(dirname(join(project, file)), { recursive: true });
    writeFileSync(join(project, file), code);
  }
  findings = await lint(project);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

test.each(cases)("in $folder, $code is $verdict", ({ file, verdict }) => {
  const importRules = ["lint/style/noRestrictedImports", "plugin"];
  const isRefused = findings.some((f) => f.location.path === file && importRules.includes(f.category));
  expect(isRefused ? "refused" : "allowed").toBe(verdict);
});

test.each(styleCases)("$code breaks $rule", ({ file, rule }) => {
  const rules = findings.filter((f) => f.location.path === file).map((f) => `${f.severity} ${f.category}`);
  expect(rules).toContain(`error lint/${rule}`);
});

function importsIn(table: Record<string, string[]>, verdict: string) {
  return Object.entries(table).flatMap(([folder, specifiers]) =>
    specifiers.map((specifier) => ({ folder, code: `import { x } from "${specifier}"; x();`, verdict })),
  );
}

interface Finding {
  category: string;
  severity: string;
  location: { path: string };
}

/** All that Biome finds in `folder`; paths are relative to it. */
async function lint(folder: string): Promise<Finding[]> {
  const report = await new Promise<string>((resolve) => {
    const biome = join(root, "node_modules/.bin/biome");
    const args = ["lint", "--reporter=json", "--max-diagnostics=none", "."];
    // Exits 1 because it finds something, which is the point.
    execFile(biome, args, { cwd: folder }, (_error, stdout) => resolve(stdout));
  });
  const { diagnostics }: { diagnostics: Finding[] } = JSON.parse(report);
  return diagnostics;
}
