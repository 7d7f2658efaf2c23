// Both packages do everything that the agent and its command line do: files, watches, directories, edit, sync, the web
// console with its assets, and upgrades, also from one package to the other.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { type RunningAgent, runCommand, startAgent } from "../support/agent/agent.ts";
import { upgrade, upgradeStatus } from "../support/agent/upgrade.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const executable = join(root, `dist-binary/holdfast-linux-${process.arch}`);
const hasExecutable = existsSync(executable);
if (!hasExecutable) {
  if (process.env["CI"]) throw new Error(`${executable} is missing: npm run build:binary`);
  process.stderr.write(
    `SKIPPED: the executable in ${import.meta.filename}: it is not built (npm run build:binary)\n`,
  );
}

let folder: string;
/** The program of each package, as a file that an agent can become. */
const programs: Record<string, string> = { executable };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: root });
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), "{}");
  await run(
    "npm",
    ["install", "--ignore-scripts", "--no-audit", join(folder, JSON.parse(stdout)[0].filename)],
    {
      cwd: project,
    },
  );
  programs["npm package"] = join(project, "node_modules/holdfast/dist/cli/main.cjs");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const names = hasExecutable ? ["executable", "npm package"] : ["npm package"];

describe.each(names)("the %s", (name) => {
  const program = () => [programs[name] ?? ""];
  const start = (...args: string[]) => startAgent({ program: program(), args, deadlineMs: 30_000 });

  async function holdfast(agent: RunningAgent, args: readonly string[], env: Record<string, string> = {}) {
    const command = runCommand({
      program: program(),
      args,
      env: { HOLDFAST_URL: agent.url, ...env },
      deadlineMs: 30_000,
    });
    const { code } = await command.exited();
    return { code, stdout: command.stdout(), stderr: command.stderr() };
  }

  test("serves files and watches of them", async () => {
    const agent = await start();
    const client = createClient({ baseUrl: agent.url });
    onTestFinished(() => client.close());
    const there = createTempFolder();
    const watch = await client.files.watch(there);
    onTestFinished(() => watch.close());
    const bytes = Buffer.alloc(3_000_000, "content ");
    await client.files.write(join(there, "new"), bytes);
    expect(readFileSync(join(there, "new")).equals(bytes)).toBe(true);
    expect((await client.files.list(there)).map((entry) => entry.name)).toEqual(["new"]);
    for await (const event of watch) if (event.name === "new") break;
    const answer = await fetch(`${agent.url}/files?path=${encodeURIComponent(join(there, "new"))}`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test("copies, edits and synchronizes files", async () => {
    const agent = await start();
    const [here, there] = [createTempFolder(), createTempFolder()];
    mkdirSync(join(here, "tree/below"), { recursive: true });
    writeFileSync(join(here, "tree/below/file"), "one\n");
    symlinkSync("below/file", join(here, "tree/link"));
    expect(await holdfast(agent, ["cp", "-q", "-r", join(here, "tree"), `:${there}/`])).toMatchObject({
      code: 0,
    });
    expect(readFileSync(join(there, "tree/link"), "utf8")).toBe("one\n");
    expect(await holdfast(agent, ["cp", "-q", "-r", `:${there}/tree`, join(here, "back")])).toMatchObject({
      code: 0,
    });
    expect(readFileSync(join(here, "back/below/file"), "utf8")).toBe("one\n");
    const editor = join(createTempFolder(), "editor");
    writeFileSync(editor, '#!/bin/sh\necho two >> "$1"\n', { mode: 0o755 });
    const edited = await holdfast(agent, ["edit", `:${there}/tree/below/file`], {
      EDITOR: editor,
      VISUAL: "",
    });
    expect(edited).toMatchObject({ code: 0 });
    expect(await holdfast(agent, ["cat", `:${there}/tree/below/file`])).toMatchObject({
      stdout: "one\ntwo\n",
    });
    expect((await holdfast(agent, ["ls", `:${there}/tree`])).stdout).toMatch(/below/);
    expect(await holdfast(agent, ["sync", "-q", `:${there}/tree`, join(here, "synced")])).toMatchObject({
      code: 0,
    });
    expect(readFileSync(join(here, "synced/below/file"), "utf8")).toBe("one\ntwo\n");
  });

  test("serves the web console with all its assets", async () => {
    const agent = await start("--console");
    const { stdout } = await holdfast(agent, ["console", "--json"]);
    const { url } = JSON.parse(stdout) as { url: string };
    const page = await (await fetch(url)).text();
    const assets = [...page.matchAll(/(?:src|href)="([^"#:]+)"/g)].map(([, path = ""]) => path);
    expect(assets.length).toBeGreaterThan(1);
    for (const path of assets) {
      const answer = await fetch(new URL(path, url));
      expect(`${path} ${answer.status}`).toBe(`${path} 200`);
      expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(0);
    }
    expect((await fetch(new URL("/console/nothing-here", url))).status).toBe(404);
  });

  test("without --console it serves no page", async () => {
    expect((await fetch(`${(await start()).url}/console/`)).status).toBe(404);
  });
});

const ways = names.flatMap((from) => names.map((to) => [from, to] as const));

test.each(ways)("a running %s becomes the %s and back, and its processes continue", async (from, to) => {
  const agent = await startAgent({ program: [copyOf(from)], deadlineMs: 30_000 });
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const shell = await client.start({
    cmd: "sh",
    args: ["-c", "while read x; do echo got $x; done"],
    stdin: true,
  });
  const terminal = await client.start({ cmd: "cat", pty: { cols: 80, rows: 24 } });
  for (const [index, next] of [to, from].entries()) {
    await upgrade(agent, copyOf(next));
    expect(await upgradeStatus(agent.url)).toMatchObject({ upgrades: index + 1 });
    expect((await client.list()).map(({ pid }) => pid).sort()).toEqual([shell.pid, terminal.pid].sort());
    await shell.write(`${index}\n`);
    expect(await textOf(shell, `got ${index}\n`)).toBe(`got ${index}\n`);
    await terminal.write(`t${index}\r`);
    await textOf(terminal, `t${index}\r\nt${index}\r\n`);
  }
  await shell.closeStdin();
  expect(await shell.discardOutput()).toMatchObject({ exitCode: 0 });
});

/** An upgrade is to another file, which only root and the user of the agent may write. */
function copyOf(name: string): string {
  const program = programs[name] ?? "";
  if (name !== "executable") return program;
  const file = join(
    folder,
    `holdfast-${createHash("sha256").update(`${Math.random()}`).digest("hex").slice(0, 8)}`,
  );
  copyFileSync(program, file);
  chmodSync(file, 0o755);
  return file;
}

async function textOf(
  output: AsyncIterable<{ readonly kind: string; readonly data?: Uint8Array }>,
  end: string,
) {
  let text = "";
  for await (const event of output) {
    text += Buffer.from(event.data ?? []).toString();
    if (text.endsWith(end)) return text;
  }
  throw new Error(`ended without ${end}: ${text}`);
}
