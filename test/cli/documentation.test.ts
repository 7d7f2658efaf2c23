// A reader who types the commands of docs/cli.md gets what it shows.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cleanEnvironment, cliPath, startAgent } from "../support/agent/agent.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { finished, holdfast, holdfastOnTerminal } from "./holdfast.ts";

const text = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");

const examples = [...text.matchAll(/```sh\n(.*?)```\n\n```text\n(.*?)```/gs)].map(
  ([, commands = "", shown = ""]) => ({ commands, shown }),
);

/** The sessions in order: the lines typed into a shell, and the notices of holdfast. */
const sessions = [...text.matchAll(/```console\n(.*?)```/gs)].flatMap(([, lines = ""]) => lines.split("\n"));
const typed = sessions.filter((line) => line.startsWith("$ holdfast ")).map((line) => line.slice(2));
const said = sessions.filter((line) => line.startsWith("holdfast: "));

test("every block of docs/cli.md is run by a test below", () => {
  const fences = text.match(/^```\w+$/gm) ?? [];
  expect(fences.filter((fence) => fence !== "```console")).toHaveLength(2 * examples.length);
  expect({ typed: typed.length, said: said.length }).toEqual({ typed: 3, said: 7 });
});

test("the commands in docs/cli.md print what is shown there", async () => {
  // One shell runs all of them, as for a reader.
  const { url } = await startAgent();
  const folder = mkdtempSync(join(tmpdir(), "holdfast-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "holdfast"), `#!/bin/sh\nexec '${process.execPath}' '${cliPath}' "$@"\n`, {
    mode: 0o755,
  });
  const env = cleanEnvironment({ HOLDFAST_URL: url, PATH: `${folder}:${process.env["PATH"]}` });
  for (const { commands, shown } of examples) {
    const printed = await new Promise<string>((resolve) => {
      // Some of the shown commands fail.
      execFile("bash", ["-c", `exec 2>&1; ${commands}`], { env }, (_error, stdout) => resolve(stdout));
    });
    expect(withoutChance(printed)).toBe(withoutChance(shown));
  }
});

test("a terminal shows the notices of docs/cli.md when the same happens", async () => {
  const agent = await startAgent();
  const proxy = await startCuttingProxy({ port: agent.port });
  const [run = [], attach = [], elsewhere = []] = typed.map((line) => line.split(" ").slice(1));
  const [attached, detached, again, lost, back, gone, nobody] = said;
  const plain = { env: { NO_COLOR: "1" } };

  const first = holdfastOnTerminal(proxy.url, run, plain);
  await first.waitFor(/detaches\r\n/);
  first.type("\u0010\u0011");
  await first.exited();
  const second = holdfastOnTerminal(proxy.url, attach, plain);
  await second.waitFor(/detaches\r\n/);
  proxy.cut("rst");
  await second.waitFor(/reconnected\r\n/);
  agent.kill("SIGKILL");
  await agent.exited();
  await startAgent({ args: ["--port", String(agent.port)] });
  expect(await second.exited()).toBe(125);

  expect(saidOn(first)).toEqual([attached, detached].map(withoutIds));
  const [attachedAgain, ...onceLost] = saidOn(second);
  expect(attachedAgain).toBe(withoutIds(again));
  expect(onceLost.slice(0, 2)).toEqual([lost, back].map(withoutIds));
  expect(onceLost.at(-1)).toBe(withoutIds(gone));
  expect((await finished(holdfast(agent.url, elsewhere))).stderr).toBe(`${nobody}\n`);
});

function saidOn(terminal: { shown(): string }): string[] {
  return (terminal.shown().match(/holdfast: [^\r]*/g) ?? []).map(withoutIds);
}

function withoutIds(line = ""): string {
  return line.replace(/"[\da-f]{8}-[^"]*"/, "ID").replace(/\d+/g, "N");
}

/** Pids, ids and the progress of a process differ each time. The table also lists processes that ran before. */
function withoutChance(output: string): string {
  return output
    .replace(/^ *\d+ {2}- {2}.*\n/gm, "")
    .replace(/^\d+ [\da-f]{8}-[\da-f-]{27}$/gm, "PID ID")
    .replace(/^ *\d+ {2}(\S+) .* {2}(\S.*)$/gm, "PID $1 … $2")
    .replace(/^ +PID {2}/gm, "PID  ")
    .replace(/ +/g, " ");
}
