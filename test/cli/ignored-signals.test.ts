// Rule 21: signals that were ignored when the command began stay ignored, for it and for its
// processes, as under nohup.

import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import { ignoredSignals } from "../../src/cli/launched.ts";
import { createClient } from "../../src/client/index.ts";
import { cliPath, type RunningAgent, runCommand, startAgent } from "../support/agent/agent.ts";

const { SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGCHLD } = constants.signals;

/** The installed command, below a shell that ignores `signals`. */
function ignoring(...signals: readonly string[]): readonly string[] {
  return ["sh", "-c", `trap "" ${signals.join(" ")}; exec "$0" "$@"`, cliPath];
}

function ignoredBy(pid: number): number[] {
  return maskIn(readFileSync(`/proc/${pid}/status`, "utf8"));
}

function maskIn(status: string): number[] {
  const [, mask = ""] = /^SigIgn:\s+([\da-f]+)$/m.exec(status) ?? [];
  return [...ignoredSignals(`1:${mask}`, 1)];
}

/** What `grep SigIgn /proc/self/status` says as a process of the agent. */
async function ignoredByProcess(agent: RunningAgent, onTerminal: boolean): Promise<number[]> {
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const started = await client.start({
    cmd: "grep",
    args: ["SigIgn", "/proc/self/status"],
    ...(onTerminal && { pty: { cols: 80, rows: 24 } }),
  });
  let text = "";
  for await (const event of started) if (event.kind !== "gap") text += Buffer.from(event.data).toString();
  return maskIn(text.replaceAll("\r", ""));
}

test("an agent below nohup survives SIGHUP and stops at SIGTERM", async () => {
  const agent = await startAgent({ program: ignoring("HUP") });
  agent.kill("SIGHUP");
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  expect(ignoredBy(agent.pid)).toContain(SIGHUP);
  agent.kill("SIGTERM");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  expect(agent.stderr()).toContain("SIGTERM");
  expect(agent.stderr()).not.toContain("SIGHUP");
});

test("an agent that is started as usual stops at SIGHUP, and its processes ignore nothing", async () => {
  const agent = await startAgent({ program: [cliPath] });
  expect(await ignoredByProcess(agent, false)).toEqual([]);
  agent.kill("SIGHUP");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});

test("processes ignore the signals that the agent was started to ignore, and no others", async () => {
  const agent = await startAgent({ program: ignoring("HUP", "PIPE", "INT") });
  expect(await ignoredByProcess(agent, false)).toEqual([SIGHUP, SIGINT, SIGPIPE].toSorted((a, b) => a - b));
});

test("on a terminal the signals of its keys have their effect, and the others stay ignored", async () => {
  const agent = await startAgent({ program: ignoring("HUP", "INT", "QUIT", "TSTP") });
  expect(await ignoredByProcess(agent, true)).toEqual([SIGHUP]);
});

test("an agent that was started to ignore SIGCHLD knows how its processes end", async () => {
  const agent = await startAgent({ program: ignoring("CHLD") });
  expect(ignoredBy(agent.pid)).not.toContain(SIGCHLD);
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const started = await client.start({ cmd: "sh", args: ["-c", "exit 7"] });
  for await (const event of started) expect(event).toBe("no output");
  expect(await started.exit).toMatchObject({ exitCode: 7 });
});

test("run below nohup survives SIGHUP while it waits, and afterwards", async () => {
  const agent = await startAgent();
  const run = runCommand({
    program: ignoring("HUP", "TERM"),
    args: ["run", "--url", agent.url, "--", "sh", "-c", "echo ready; exec sleep 1000"],
  });
  await run.waitFor("stdout", /ready/);
  run.kill("SIGHUP");
  run.kill("SIGTERM");
  expect(ignoredBy(run.pid)).toEqual(expect.arrayContaining([SIGHUP, SIGTERM]));
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const [listed] = await client.list();
  expect(listed).toMatchObject({ cmd: "sh" });
  // It still waits, and ends as the process does.
  process.kill(listed?.pid ?? -1, "SIGKILL");
  expect(await run.exited()).toEqual({ code: 137, signal: null });
});

describe("the report of the launcher", () => {
  test("names each bit of the mask as a signal", () => {
    expect(ignoredSignals("42:8000000000001001", 42)).toEqual([1, 13, 64]);
    expect(ignoredSignals("42:0000000000000000", 42)).toEqual([]);
  });

  test.each([undefined, "", "42", "42:", "42:xyz", ":1", "42:10000000000000000"])(
    "%s says nothing",
    (text) => {
      expect(ignoredSignals(text, 42)).toEqual([]);
    },
  );

  test("of another process says nothing", () => {
    expect(ignoredSignals("41:1", 42)).toEqual([]);
  });
});
