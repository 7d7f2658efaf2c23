// Common HTTP clients that keep their connection alive make many calls each. Every second one is refused
// because it has no token, some of those with a body of 100 kB. Every call is answered; none meets a
// connection that the agent has reset or closed without notice.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

const run = promisify(execFile);

/** Each client alone takes most of a minute for 10,000. */
const CALLS = volume(400, 10_000);
/** Other tests with many repetitions run beside these. */
const TIMEOUT_MS = volume(120_000, 480_000);
const TOKEN = "open-sesame";
const fixture = (name: string) =>
  fileURLToPath(new URL(`../fixtures/keep-alive-clients/${name}`, import.meta.url));

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: TOKEN, HOLDFAST_LOG_LEVEL: "warn" } });
});
afterAll(() => agent.stop());

async function callsOf(program: string, ...args: readonly string[]): Promise<unknown> {
  const { stdout } = await run(program, [...args, agent.url, TOKEN, String(CALLS)]);
  return JSON.parse(stdout);
}

/** Runs the steps that install a client. Undefined, and a line on stderr, if one fails. */
async function installed(client: string, install: () => Promise<string>): Promise<string | undefined> {
  try {
    return await install();
  } catch (error) {
    process.stderr.write(`SKIPPED: ${client} cannot be installed: ${String(error).slice(0, 300)}\n`);
    return undefined;
  }
}

const ALL_ANSWERED = { statuses: { 200: CALLS / 2, 401: CALLS / 2 }, errors: [] };

test.each(["node-http.mjs", "fetch.mjs"])(
  "%s has all its calls answered",
  { timeout: TIMEOUT_MS },
  async (name) => {
    expect(await callsOf(process.execPath, fixture(name))).toEqual(ALL_ANSWERED);
  },
);

test("Go's net/http has all its calls answered", { timeout: TIMEOUT_MS }, async (context) => {
  const binary = await installed("a Go client", async () => {
    const file = `${createTempFolder()}/client`;
    await run("go", ["build", "-o", file, fixture("client.go")], {
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    return file;
  });
  if (binary === undefined) return context.skip();
  expect(await callsOf(binary)).toEqual(ALL_ANSWERED);
});

test("Python's httpx has all its calls answered", { timeout: TIMEOUT_MS }, async (context) => {
  const python = await installed("httpx", async () => {
    const folder = createTempFolder();
    await run("python3", ["-m", "venv", folder]).catch(() =>
      run("/usr/bin/python3", ["-m", "venv", "--clear", folder]),
    );
    await run(`${folder}/bin/pip`, ["install", "--quiet", "--disable-pip-version-check", "httpx"]);
    return `${folder}/bin/python`;
  });
  if (python === undefined) return context.skip();
  expect(await callsOf(python, fixture("client.py"))).toEqual(ALL_ANSWERED);
});
