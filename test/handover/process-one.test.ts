// The agent as process 1 of a pid namespace, as in a container.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { requestUpgrade, upgrade, upgradeStatus, versionThat } from "../support/agent/upgrade.ts";
import { receive } from "../support/clients/received-events.ts";
import { childrenOf, eventually, hasExited } from "../support/proc/proc.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(60_000, 300_000) });

const unshare = ["unshare", "--pid", "--fork", "--mount-proc"];

function canUnshare(): boolean {
  try {
    execFileSync("unshare", [...unshare.slice(1), "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** `inside`: the agent as this namespace sees it. A signal to `unshare` would not reach it. */
async function startProcessOne(): Promise<{ readonly agent: RunningAgent; readonly inside: number }> {
  const agent = await startAgent({ prefix: unshare });
  const [inside = 0] = childrenOf(agent.pid);
  return { agent, inside };
}

test.runIf(canUnshare())(
  "as process 1 the agent keeps its processes through upgrades, reaps orphans, and stops at SIGTERM",
  async () => {
    const { agent, inside } = await startProcessOne();
    const client = plainClient(agent.url);
    const echo = receive(client.start({ process: { cmd: "cat" }, stdin: true, tag: "echo" }));
    await echo.started();
    for (let count = 0; count < volume(3, 20); count++) {
      // An orphan of this one ends in the next image, whose child it becomes.
      const left = receive(
        client.start({
          process: { cmd: "sh", args: ["-c", "(sleep 0.3; exit 3) > /dev/null 2>&1 & exit 5"] },
        }),
      );
      expect(await left.ended()).toMatchObject({ exitCode: 5 });
      await upgrade(agent);
      await client.sendInput({
        process: { selector: { case: "tag", value: "echo" } },
        input: { input: { case: "stdin", value: Buffer.from(`${count}\n`) } },
      });
      await echo.until(() => echo.text("stdout").endsWith(`${count}\n`));
    }
    expect(readFileSync(`/proc/${inside}/status`, "utf8")).toMatch(/^NSpid:\s+\d+\s+1$/m);
    await eventually(
      "no zombie and no orphan is left",
      () => childrenOf(inside).length === 1,
      () => childrenOf(inside).join(),
    );
    process.kill(inside, "SIGTERM");
    expect(await agent.exited()).toEqual({ code: 0, signal: null });
  },
);

test.runIf(canUnshare())(
  "as process 1, a version that fails after the exec gives the agent back",
  async () => {
    const { agent, inside } = await startProcessOne();
    const to = versionThat(
      'require("node:net").Server.prototype.listen = () => { throw new Error("made to fail"); };',
    );
    expect((await requestUpgrade(agent.url, JSON.stringify({ to }))).status).toBe(202);
    await eventually(
      "given back",
      async () => (await upgradeStatus(agent.url)).failure !== undefined,
      agent.stderr,
    );
    await upgrade(agent);
    process.kill(inside, "SIGTERM");
    expect(await agent.exited()).toEqual({ code: 0, signal: null });
  },
);

test.runIf(canUnshare())("when process 1 aborts after the exec, the kernel ends its commands", async () => {
  const { agent, inside } = await startProcessOne();
  const received = receive(plainClient(agent.url).start({ process: { cmd: "sleep", args: ["1000"] } }));
  await received.started();
  const [command = 0] = childrenOf(inside);
  expect(
    (await requestUpgrade(agent.url, JSON.stringify({ to: versionThat("process.abort();") }))).status,
  ).toBe(202);
  await agent.exited();
  expect(hasExited(command)).toBe(true);
});
