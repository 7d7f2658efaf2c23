// The output of each command with --json, compared with docs/reference/cli.schema.json.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { agentForFile } from "../client/file-agent.ts";
import { type Schema, violations } from "../support/json-schema.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { finished, holdfast, leave, untilProcess } from "./holdfast.ts";

const agent = agentForFile({ args: ["--console"] });
const { $defs: schemas } = JSON.parse(readFileSync("docs/reference/cli.schema.json", "utf8")) as {
  $defs: Readonly<Record<string, Schema>>;
};

/** The commands that can be run, each with its path. */
function runnable(command: Command, path = ""): [path: string, command: Command][] {
  if (command.commands.length === 0) return [[path, command]];
  return command.commands.flatMap((own) => runnable(own, `${path} ${own.name()}`.trim()));
}

const commands = runnable(createProgram(() => undefined)).filter(([path]) => !path.startsWith("__"));
const hasJson = (command: Command) => command.options.some(({ long }) => long === "--json");

test("every command with --json has a schema, and every schema a command", () => {
  const names = commands.filter(([, command]) => hasJson(command)).map(([path]) => path);
  expect(Object.keys(schemas).sort()).toEqual([...names, "run --detach"].sort());
});

const without = commands.filter(([, command]) => !hasJson(command)).map(([path]) => path);

test.each(without)("%s has no --json, and says why and what to use", async (path) => {
  const { code, stdout, stderr } = await finished(holdfast(agent.url, [...path.split(" "), "--json"]));
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(new RegExp(`^holdfast: ${path} has no --json: it .+; .*holdfast .+\n$`));
});

test("a value that a schema does not describe is detected", () => {
  expect(violations([{ check: 1, verdict: "good" }], schemas["doctor"] ?? {})).toHaveLength(3);
  expect(
    violations({ event: "data", stream: "stdout", offset: 0, more: 1 }, schemas["logs"] ?? {}),
  ).toHaveLength(1);
});

async function expectValid(name: string, args: readonly string[], least = 1): Promise<void> {
  const { stdout, stderr } = await finished(holdfast(agent.url, args, { env: { XDG_CONFIG_HOME: config } }));
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`${name} has no schema`);
  const lines = stdout.trim().startsWith("[\n") ? [stdout] : stdout.trimEnd().split("\n");
  expect(lines.length, stderr).toBeGreaterThanOrEqual(least);
  for (const line of lines)
    expect(violations(JSON.parse(line), schema), `${args.join(" ")}: ${line}`).toEqual([]);
}

let config = "";

test("ps, inspect, top, kill, signal, wait and logs print what their schemas describe", async () => {
  await leave(agent.url, "exit 3", { tag: "ended" });
  await leave(agent.url, "printf '\\377'; echo hi; exec sleep 1000", { tag: "one", bytes: 4 });
  await untilProcess(agent.url, "ended", { exit: expect.anything() });
  await expectValid("ps", ["ps", "-a", "--json"]);
  await expectValid("ps", ["ps", "-a", "--format", "json"]);
  await expectValid("inspect", ["inspect", "one", "ended"]);
  await expectValid("top", ["top", "-n", "2", "-d", "10ms", "--json"], 2);
  await expectValid("logs", ["logs", "--json", "--timestamps", "one"], 2);
  await expectValid("signal", ["signal", "--json", "one", "CONT"]);
  await expectValid("kill", ["kill", "--json", "-9", "one"]);
  await expectValid("wait", ["wait", "--json", "ended", "one"], 2);
});

test("run, attach, shell and run --detach print what their schemas describe", async () => {
  await expectValid("run", ["run", "--json", "--", "sh", "-c", "echo out; echo err >&2; exit 1"], 4);
  await expectValid("run --detach", ["run", "--detach", "--json", "--tag", "d", "--", "sleep", "0.1"]);
  await expectValid("attach", ["attach", "--json", "d"], 2);
  await expectValid("shell", ["shell", "--json", "--shell", "true", "x"], 2);
});

test("upgrade prints what its schema describes", async () => {
  await expectValid("upgrade", ["upgrade", "--json"]);
});

test("console prints what its schema describes", async () => {
  await expectValid("console", ["console", "--json"]);
  await expectValid("console", ["console", "--json", "--read-only"]);
});

test("version and doctor print what their schemas describe", async () => {
  await expectValid("version", ["version", "--json"]);
  await expectValid("version", ["version", "--client", "--json"]);
  await expectValid("doctor", ["doctor", "--port", "0", "--json"]);
});

test("the commands of context print what their schemas describe", async () => {
  config = createTempFolder();
  await expectValid("context add", ["context", "add", "a", "--url", "host", "--json"]);
  await expectValid("context add", ["context", "add", "b", "--url", "host", "--use", "--json"]);
  await expectValid("context ls", ["context", "ls", "--json"]);
  await expectValid("context use", ["context", "use", "a", "--json"]);
  await expectValid("context use", ["context", "use", "default", "--json"]);
  await expectValid("context rm", ["context", "rm", "a", "b", "--json"], 2);
});

test("cp, ls and sync print what their schemas describe", async () => {
  const folder = createTempFolder();
  writeFileSync(join(folder, "file"), "text");
  await expectValid("cp", ["cp", "--json", join(folder, "file"), `:${folder}/copy`]);
  await expectValid("cp", ["cp", "--json", folder, `:${folder}/tree`]);
  await expectValid("sync", ["sync", "--json", "--delete", folder, `:${folder}/tree`], 2);
  await expectValid("ls", ["ls", "--json", `:${folder}`]);
});
