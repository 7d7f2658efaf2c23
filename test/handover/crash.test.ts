// After an error that nobody caught, the agent executes itself again with everything it has, once in a while.

import { execFileSync } from "node:child_process";
import { expect, test, vi } from "vitest";
import { type CommandOptions, type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { expectEcho, startEcho, startStubborn } from "../support/agent/echo.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { upgrade, upgradeStatus } from "../support/agent/upgrade.ts";
import { receive } from "../support/clients/received-events.ts";
import { eventually, hasExited } from "../support/proc/proc.ts";

vi.setConfig({ testTimeout: 60_000 });

/** Each SIGPWR is a bug of the agent. */
const bug = 'process.on("SIGPWR", () => { throw new Error("made to fail"); });';

function startFaultyAgent(options: CommandOptions = {}): Promise<RunningAgent> {
  return startAgent({
    ...options,
    nodeArgs: ["--import", `data:text/javascript,${encodeURIComponent(bug)}`],
  });
}

async function crash(agent: RunningAgent): Promise<void> {
  const { upgrades } = await upgradeStatus(agent.url);
  agent.kill("SIGPWR");
  await eventually(
    "executed again",
    async () => (await upgradeStatus(agent.url)).upgrades === upgrades + 1,
    agent.stderr,
  );
}

test("after an error that nobody caught, the agent continues with its processes, streams and results", async () => {
  const agent = await startFaultyAgent();
  const client = plainClient(agent.url);
  const echo = await startEcho(agent);
  await expectEcho(agent, echo, "before\n");
  const ended = { process: { cmd: "sh", args: ["-c", "echo result; exit 3"] }, startId: "one", tag: "ended" };
  await receive(client.start(ended)).ended();
  await receive(client.start({ process: { cmd: "true" }, forgetDelivered: true })).ended();
  await crash(agent);
  expect(agent.stderr()).toMatch(/"level":"error".*made to fail.*the agent crashed/s);
  await expectEcho(agent, echo, "after\n");
  expect(echo.text("stdout")).toBe("before\nafter\n");
  const again = receive(client.start(ended));
  expect(await again.ended()).toMatchObject({ exitCode: 3 });
  expect(again.text("stdout")).toBe("result\n");
  // It upgrades as always, and the agent remembers the crash.
  await upgrade(agent);
  await expectEcho(agent, echo, "upgraded\n");
  agent.kill("SIGPWR");
  expect(await agent.exited()).toEqual({ code: 70, signal: null });
});

test("a second crash soon after the first one ends the agent and its processes", async () => {
  const agent = await startFaultyAgent();
  const { pid } = await startEcho(agent);
  await crash(agent);
  agent.kill("SIGPWR");
  expect(await agent.exited()).toEqual({ code: 70, signal: null });
  await eventually("the command is gone", () => hasExited(pid), agent.stderr);
  expect(agent.stderr().match(/the agent crashed/g)).toHaveLength(2);
});

test("an agent whose state cannot be written ends after a crash, and so do its processes", async () => {
  const agent = await startFaultyAgent();
  const { pid } = await startEcho(agent);
  // The file in memory that has the state obeys this limit also.
  execFileSync("prlimit", ["--pid", String(agent.pid), "--fsize=0"]);
  agent.kill("SIGPWR");
  expect(await agent.exited()).toEqual({ code: 70, signal: null });
  await eventually("the command is gone", () => hasExited(pid), agent.stderr);
  expect(agent.stderr()).toMatch(/EFBIG/);
});

test("an agent that stops does not execute itself again after a crash", async () => {
  const agent = await startFaultyAgent({ args: ["--shutdown-grace", "60s"] });
  const { pid } = await startStubborn(agent);
  agent.kill("SIGTERM");
  await agent.waitFor("stderr", /"stopping; another signal/);
  agent.kill("SIGPWR");
  expect(await agent.exited()).toEqual({ code: 70, signal: null });
  await eventually("the command is gone", () => hasExited(pid), agent.stderr);
});
