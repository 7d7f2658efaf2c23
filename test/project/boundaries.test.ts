// The lint rules of biome.jsonc, tried: every import across folders that scripts/layout/layout.mjs allows passes and
// every other one is refused; circles are refused; the constructs that the project does not use are refused. All cases
// are written to a temporary folder and linted in one run under the project's configuration.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { doorsOf, layout, restricted, shared } from "../../scripts/layout/layout.mjs";

const root = join(import.meta.dirname, "../..");

const doors = doorsOf(Object.keys(layout));

/**
 * The imports that a file of `folder` may have from elsewhere in src, and the others; paths are
 * relative to src.
 */
function importsOf(folder: string) {
  const row = layout[folder];
  if (row === undefined) throw new Error(`${folder} is not in the layout`);
  const ownShared = row.shared ?? shared;
  const messages = ["gen/process_pb.ts", "gen/filesystem_pb.ts"];
  const ownDoors = doorsOf(row.folders);
  const others = doors.filter((door) => !ownDoors.includes(door) && !door.startsWith(`${folder}/`));
  return {
    allowed: [...ownShared, ...ownDoors, ...(row.gen ? messages : [])],
    refused: [
      ...shared.filter((file) => !ownShared.includes(file)),
      ...others,
      ...(row.gen ? [] : messages),
      // Not by the door.
      ...Object.keys(layout)
        .filter((name) => name !== folder)
        .flatMap((name) => [`${name}/inside.ts`, `${name}/story/inside.ts`, `${name}/story/index.ts`]),
      "new-shared-file.ts",
      "../test/support/agent.ts",
    ],
  };
}

const crossing = Object.keys(layout).flatMap((folder) => {
  const { allowed, refused } = importsOf(folder);
  // A file of a sub-folder spells the same path with one more "../".
  return [
    { folder: `src/${folder}`, up: "../" },
    { folder: `src/${folder}/story`, up: "../../" },
  ].flatMap(({ folder, up }) => [
    ...imports(
      folder,
      allowed.map((path) => up + path),
      "allowed",
    ),
    ...imports(
      folder,
      refused.map((path) => up + path),
      "refused",
    ),
  ]);
});

const inside = Object.keys(layout).flatMap((folder) => [
  ...imports(`src/${folder}`, ["./beside.ts", "./story/below.ts"], "allowed"),
  ...imports(`src/${folder}/story`, ["./beside.ts", "../above.ts", "../tale/other.ts"], "allowed"),
  ...imports(`src/${folder}`, ["..", "./story/../../errors.ts"], "refused"),
  ...imports(`src/${folder}/story`, ["..", "../..", "../tale/../../errors.ts"], "refused"),
]);

const packages = Object.entries(restricted).flatMap(([name, folders]) =>
  Object.keys(layout).flatMap((folder) => {
    const verdict = folders.includes(folder) ? "allowed" : "refused";
    return [`src/${folder}`, `src/${folder}/story`].flatMap((place) => imports(place, [name], verdict));
  }),
);

const others = [
  ...imports("src", ["./errors.ts", "node:os"], "allowed"),
  ...imports("src", ["./process/index.ts", "./gen/process_pb.ts", "../test/support/agent.ts"], "refused"),
  ...imports("src", ["koffi", "node:child_process"], "refused"),
  ...imports("src/multiplexer", ["node:fs"], "refused"),
  ...imports("src/control", ["prom-client", "node:os"], "allowed"),
  ...imports("src/client", ["@connectrpc/connect"], "allowed"),
  ...["src/client", "src/client/story"].flatMap((folder) =>
    imports(folder, ["node:http", "node:timers/promises", "@connectrpc/connect-node"], "refused"),
  ),
  ...imports(
    "src/client/node",
    ["node:http", "../beside.ts", "../../errors.ts", "../story/other.ts"],
    "allowed",
  ),
  ...imports(
    "src/client/node",
    ["../../process/index.ts", "../..", "node:child_process", "koffi"],
    "refused",
  ),
  ...imports("test/rpc", ["../../src/rpc/auth.ts", "node:child_process", "koffi"], "allowed"),
];

/** The ways to write an import of a file inside another folder. */
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
  ...crossing,
  ...inside,
  ...packages,
  ...others,
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
// Three circles of two files each: by value, by type, and through a folder's own index.
const circles: Record<string, string> = {
  "src/rpc/circle-a.ts": 'import { b } from "./circle-b.ts"; export const a = () => b;',
  "src/rpc/circle-b.ts": 'import { a } from "./circle-a.ts"; export const b = () => a;',
  "src/rpc/type-a.ts": 'import type { B } from "./type-b.ts"; export interface A { b: B }',
  "src/rpc/type-b.ts": 'import type { A } from "./type-a.ts"; export interface B { a: A }',
  "src/control/index.ts": 'export { y } from "./through-door.ts";',
  "src/control/through-door.ts": 'import { y as z } from "./index.ts"; export const y = () => z;',
};

const styleCases = style.map(([rule, code], index) => ({ rule, code, file: `test/style/case-${index}.ts` }));

let project: string;
let findings: Finding[];

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "holdfast-boundaries-"));
  for (const part of ["biome.jsonc", "scripts/lint"]) {
    cpSync(join(root, part), join(project, part), { recursive: true });
  }
  const circleFiles = Object.entries(circles).map(([file, code]) => ({ file, code }));
  for (const { file, code } of [...cases, ...styleCases, ...circleFiles]) {
    mkdirSync(dirname(join(project, file)), { recursive: true });
    writeFileSync(join(project, file), code);
  }
  findings = await lint(project);
}, 120_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

test.each([
  "src",
  "test/rpc",
  ...Object.keys(layout).flatMap((name) => [`src/${name}`, `src/${name}/story`]),
])("%s imports what the layout allows and nothing else", (folder) => {
  const importRules = ["lint/style/noRestrictedImports", "plugin"];
  const refused = new Set(
    findings.filter((f) => importRules.includes(f.category)).map((f) => f.location.path),
  );
  const own = cases.filter((entry) => entry.folder === folder);
  expect(own.length).toBeGreaterThan(0);
  const wrong = own.filter((entry) => refused.has(entry.file) !== (entry.verdict === "refused"));
  expect(wrong.map(({ code, verdict }) => `${code} should be ${verdict}`)).toEqual([]);
});

test.each(Object.keys(circles))("%s is refused as part of a circle", (file) => {
  const rules = findings.filter((f) => f.location.path === file).map((f) => f.category);
  expect(rules).toContain("lint/suspicious/noImportCycles");
});

test.each(styleCases)("$code breaks $rule", ({ file, rule }) => {
  const rules = findings.filter((f) => f.location.path === file).map((f) => `${f.severity} ${f.category}`);
  expect(rules).toContain(`error lint/${rule}`);
});

function imports(folder: string, specifiers: string[], verdict: "allowed" | "refused") {
  return specifiers.map((specifier) => ({
    folder,
    code: `import { x } from "${specifier}"; x();`,
    verdict,
  }));
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
