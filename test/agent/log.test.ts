// The log on stderr, for machines and for people, and the agent when it is not read.
import { expect, test } from "vitest";
import { cliPath, runCommand, startAgent } from "../support/agent/agent.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { onTerminal } from "../support/proc/on-terminal.ts";

const CTRL_S = "\u0013";
const CTRL_Q = "\u0011";

test("without a terminal, every line is one JSON object with level, time and message", async () => {
  const agent = await startAgent({ args: ["--log-level", "debug"] });
  await agent.stop();
  const lines = agent.stderr().trimEnd().split("\n");
  expect(lines.length).toBeGreaterThanOrEqual(3);
  for (const line of lines) {
    expect(JSON.parse(line)).toMatchObject({
      level: expect.stringMatching(/^(debug|info|warn|error)$/),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      msg: expect.any(String),
    });
  }
});

test("with --log-level error, a run without errors logs nothing", async () => {
  const agent = await startAgent({ env: { HOLDFAST_LOG_LEVEL: "error" } });
  await agent.stop();
  expect(agent.stderr()).toBe("");
});

test("on a terminal, the log is for people, Ctrl-C stops the agent and the listening line is unchanged", async () => {
  const { written, exitCode } = await stoppedOnTerminal(["serve", "--port", "0"]);
  expect(exitCode).toBe(0);
  expect(written).toMatch(/^holdfast listening on http:\/\/127\.0\.0\.1:\d+\r$/m);
  expect(written).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] .*INFO.* .*ready/m);
  expect(written).toMatch(/INFO.* .*stopped/);
  expect(written).toContain("\u001b[32m");
  expect(written).not.toContain('"level"');
});

test("on a terminal, NO_COLOR is respected", async () => {
  const { written } = await stoppedOnTerminal(["serve", "--port", "0"], { NO_COLOR: "1" });
  expect(written).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO .*ready/m);
  expect(written).not.toContain("\u001b[");
});

test("--log-format overrides the choice by terminal, both ways", async () => {
  const { written } = await stoppedOnTerminal(["serve", "--port", "0", "--log-format", "json"]);
  expect(written).toMatch(/^\{"level":"info".*"msg":"ready"\}\r$/m);
  const agent = await startAgent({ args: ["--log-format", "pretty"] });
  await agent.waitFor("stderr", /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO .*ready/m);
});

test("Node's own warnings are normal log lines", async () => {
  const warning = 'process.on("SIGPWR", () => process.emitWarning("careful"))';
  const agent = await startAgent({ nodeArgs: ["--import", `data:text/javascript,${warning}`] });
  agent.kill("SIGPWR");
  await agent.waitFor("stderr", /^\{"level":"warn".*careful.*\}$/m);
  expect(agent.stderr()).not.toMatch(/^\(node:/m);
});

test("a terminal stopped by Ctrl-S blocks neither starts nor the stop, and gets its log when it continues", async () => {
  const agent = onTerminal([process.execPath, cliPath, "serve", "--port", "0"]);
  const [, port] = await agent.waitFor(/listening on http:\/\/127\.0\.0\.1:(\d+).*ready/s);
  agent.type(CTRL_S);
  const started = { code: "ok", message: "" };
  for (let i = 0; i < 5; i++)
    expect(await startAndLeave(Number(port), { process: { cmd: "true" } })).toEqual(started);
  const from = agent.shown().length;
  agent.type(CTRL_Q);
  await agent.waitFor(/process started/, from);
  agent.type(CTRL_S);
  expect(await startAndLeave(Number(port), { process: { cmd: "true" } })).toEqual(started);
  agent.kill("SIGTERM");
  expect(await agent.exited()).toBe(0);
});

test("an unread stdout prevents neither serving nor stopping", async () => {
  const agent = runCommand({ args: ["serve", "--port", "0"] });
  agent.child.stdout?.destroy();
  const [, url] = await agent.waitFor("stderr", /"url":"(http:[^"]+)".*"msg":"ready"/);
  expect((await fetch(`${url}/health`)).status).toBe(204);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
});

test("a closed stderr prevents neither serving nor stopping", async () => {
  const agent = await startAgent({ args: ["--log-level", "debug"] });
  agent.child.stderr?.destroy();
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
});

test("--help to a reader that is gone ends as all commands that print: quietly, with 141", async () => {
  const help = runCommand({ args: ["serve", "--help"] });
  help.child.stdout?.destroy();
  expect(await help.exited()).toEqual({ code: 141, signal: null });
  expect(help.stderr()).toBe("");
});

test("an unread stderr neither blocks the agent nor makes it grow: lines are dropped and counted", async () => {
  const flood =
    'process.on("SIGPWR", () => { for (let i = 0; i < 10000; i += 1) process.emitWarning("x".repeat(1000)); })';
  const agent = await startAgent({ nodeArgs: ["--import", `data:text/javascript,${flood}`] });
  await agent.waitFor("stderr", /"msg":"ready"/);
  agent.child.stderr?.pause();
  agent.kill("SIGPWR");
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  agent.child.stderr?.resume();
  const [, dropped] = await agent.waitFor("stderr", /"level":"warn".*"dropped":(\d+)/);
  expect(Number(dropped)).toBeGreaterThan(5_000);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
  for (const line of agent.stderr().trimEnd().split("\n")) JSON.parse(line);
});

/** On a terminal of its own, with Ctrl-C typed as soon as it is ready. */
async function stoppedOnTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly written: string; readonly exitCode: number }> {
  const terminal = onTerminal([process.execPath, cliPath, ...args], { cols: 200, env });
  await terminal.waitFor(/listening on/);
  await terminal.waitFor(/ready/);
  terminal.type("\u0003");
  const exitCode = await terminal.exited();
  return { written: terminal.shown(), exitCode };
}
