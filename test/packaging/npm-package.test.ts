// The package as users install it: packed, installed from the registry into an empty folder, and
// started by npx.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { headersEnv } from "../../scripts/setup.mjs";
import { createClient } from "../../src/client/index.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const run = promisify(execFile);

let folder: string;
let tarball: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: join(import.meta.dirname, "../..") });
  tarball = join(folder, JSON.parse(stdout)[0].filename);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("npx serves from an empty folder and runs commands on pipes and on terminals", async () => {
  const agent = await startAgent({
    program: ["npx", "--yes", `--package=${tarball}`, "--", "holdfast"],
    cwd: createTempFolder(),
    env: npmEnvironment(),
    deadlineMs: 50_000,
  });
  // npx runs it below a shell that does not forward SIGTERM, so the signal goes to the agent
  // itself.
  const [, pid] = await agent.waitFor("stderr", /"pid":(\d+)/);
  onTestFinished(() => stopAgent(Number(pid)));
  expect(await output(agent, ["-c", "echo on pipes"])).toBe("on pipes\n");
  expect(await output(agent, ["-c", "tty"], { cols: 80, rows: 24 })).toMatch(/^\/dev\/pts\/\d+\r\n$/);
  stopAgent(Number(pid));
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});

test("installed without install scripts, on a machine without a compiler, it runs commands on pipes and on terminals", async () => {
  const { agent, folder: project } = await installedWithoutCompiler(["--ignore-scripts"]);
  expect(() => readdirSync(join(project, "node_modules/node-pty/build"))).toThrow("ENOENT");
  await expectPipesAndTerminals(agent);
});

test("installed with install scripts, on a machine without a compiler, it runs commands on pipes and on terminals", async () => {
  const { agent } = await installedWithoutCompiler([]);
  await expectPipesAndTerminals(agent);
});

/** PATH has node, npm and what npm runs; no make, no g++, no python3. */
async function installedWithoutCompiler(flags: readonly string[]) {
  const project = createTempFolder();
  // npm 11 runs no script that is not allowed here; older ones run all.
  writeFileSync(join(project, "package.json"), JSON.stringify({ allowScripts: { "node-pty": true } }));
  const bin = createTempFolder();
  for (const tool of ["node", "npm", "sh", "env", "ls", "stty"]) symlinkSync(pathOf(tool), join(bin, tool));
  await run(join(bin, "npm"), ["install", ...flags, "--no-audit", tarball], {
    cwd: project,
    env: { ...process.env, ...npmEnvironment(), PATH: bin },
  });
  const agent = await startAgent({
    program: [join(project, "node_modules/.bin/holdfast")],
    env: { PATH: bin },
  });
  return { agent, folder: project };
}

async function expectPipesAndTerminals(agent: RunningAgent): Promise<void> {
  expect(await output(agent, ["-c", "echo on pipes"])).toBe("on pipes\n");
  const size = "test -t 0 && stty size";
  expect(await output(agent, ["-c", size], { cols: 132, rows: 43 })).toBe("43 132\r\n");
}

/** Of the machine that runs the tests. */
function pathOf(tool: string): string {
  if (tool === "node") return process.execPath;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = folders.map((entry) => join(entry, tool)).find(existsSync);
  if (found === undefined) throw new Error(`${tool} is not in PATH`);
  return found;
}

function stopAgent(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // ESRCH: stopped already.
  }
}

async function output(agent: RunningAgent, args: string[], pty?: { cols: number; rows: number }) {
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const process = await client.start({ cmd: "/bin/sh", args, ...(pty && { pty }) });
  let text = "";
  for await (const event of process) if (event.kind !== "gap") text += Buffer.from(event.data).toString();
  return text;
}

/**
 * The environment outside of `npm run`, which would point an npm inside it to this repository, with
 * a cache of its own.
 */
function npmEnvironment(): Record<string, string | undefined> {
  const ours = Object.keys(process.env).filter((name) =>
    /^npm_(?!config_(registry|cafile|nodedir)$)/i.test(name),
  );
  return {
    ...headersEnv({}, process.execPath),
    ...Object.fromEntries(ours.map((name) => [name, undefined])),
    npm_config_cache: join(folder, "cache"),
  };
}
