// An agent at its limit of processes, by RLIMIT_NPROC or a pids cgroup: each start above it is
// refused with the reason, running processes continue, and the next start works when there is room
// again.

import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killProcesses } from "../support/agent/kill-processes.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { callRpc } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { childrenOf, eventually, fdCount } from "../support/proc/proc.ts";

/**
 * No other process has this uid, so RLIMIT_NPROC, which counts per user, counts only this agent.
 */
const UID = "54321";
const isRoot = process.getuid?.() === 0;
const cat = { process: { cmd: "cat", cwd: "/" } };
const onPty = { ...cat, pty: { size: { cols: 80, rows: 24 } } };
const messages = [
  ["on pipes", cat],
  ["on terminals", onPty],
] as const;

/** Threads also count. */
function tasksOf(pid: number): number {
  return execFileSync("ls", [`/proc/${pid}/task`])
    .toString()
    .trim()
    .split("\n").length;
}

test.runIf(isRoot).each(messages)(
  "a non-root agent under RLIMIT_NPROC: processes %s above it are resource_exhausted, until there is room again",
  async (_, message) => {
    const identity = ["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
    const agent = await startAgent({ prefix: identity, env: { HOME: "/" } });
    await expectRuns(agent, message);
    const limit = tasksOf(agent.pid) + 5;
    // As the same user: root in a container may not be allowed to.
    execFileSync("setpriv", [
      ...identity.slice(1),
      "prlimit",
      "--pid",
      String(agent.pid),
      `--nproc=${limit}`,
    ]);
    await expectLimited(agent, message, limit);
  },
);

/** A new pids cgroup, version 2 or 1; undefined if none can be created. */
function createPidsCgroup(): string | undefined {
  const root = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].find((folder) => {
    try {
      accessSync(join(folder, "cgroup.procs"), constants.W_OK);
      return true;
    } catch {
      // ENOENT, EACCES, EROFS: not here.
      return false;
    }
  });
  if (root === undefined) return undefined;
  const folder = join(root, `holdfast-test-${process.pid}`);
  try {
    mkdirSync(folder);
    accessSync(join(folder, "pids.max"), constants.W_OK);
  } catch {
    // Not allowed, or no pids controller there.
    try {
      rmdirSync(folder);
    } catch {
      // ENOENT: it was not created.
    }
    return undefined;
  }
  return folder;
}

test.each(messages)(
  "an agent in a full pids cgroup: processes %s are resource_exhausted, until there is room again",
  async (_, message) => {
    const cgroup = createPidsCgroup();
    if (cgroup === undefined) {
      process.stderr.write("skipped: no pids cgroup can be created here\n");
      return;
    }
    const agent = await startAgent();
    onTestFinished(async () => {
      await agent.stop();
      rmdirSync(cgroup);
    });
    await expectRuns(agent, message);
    const limit = tasksOf(agent.pid) + 5;
    writeFileSync(join(cgroup, "cgroup.procs"), String(agent.pid));
    writeFileSync(join(cgroup, "pids.max"), String(limit));
    await expectLimited(agent, message, limit);
  },
);

async function expectRuns(agent: RunningAgent, message: object): Promise<void> {
  expect(await startAndLeave(agent.port, JSON.parse(JSON.stringify(message)))).toMatchObject({ code: "ok" });
  await killProcesses(agent.port);
}

async function expectLimited(agent: RunningAgent, message: object, limit: number): Promise<void> {
  const start = () => startAndLeave(agent.port, JSON.parse(JSON.stringify(message)));
  const before = fdCount(agent.pid);
  const answers: string[] = [];
  while (answers.at(-1) !== "resource_exhausted" && answers.length < 20) {
    const { code, message: says } = await start();
    answers.push(code);
    if (code !== "ok") expect(says).toMatch(/cannot execute \S*cat: .*\(EAGAIN\).*(RLIMIT_NPROC|pids)/);
  }
  // 5, and one more for each thread of the agent that has ended since.
  const room = limit - tasksOf(agent.pid);
  expect(answers).toEqual([...Array(room).fill("ok"), "resource_exhausted"]);

  const children = childrenOf(agent.pid);
  const settled = fdCount(agent.pid);
  for (let i = 0; i < 20; i++) expect(await start()).toMatchObject({ code: "resource_exhausted" });
  expect(childrenOf(agent.pid)).toEqual(children);
  // The agent closes its end of a connection when it detects that ours is closed.
  await eventually(
    "no descriptor more than after the first refusal",
    () => fdCount(agent.pid) <= settled,
    () => ({ fds: fdCount(agent.pid), was: settled }),
  );
  for (const pid of children) {
    const kind = "pty" in message ? "pty" : "stdin";
    const body = JSON.stringify({ process: { pid }, input: { [kind]: "aGk=" } });
    expect(await callRpc(agent.port, "Connect JSON", { rpc: "SendInput", body })).toMatchObject({
      code: "ok",
    });
  }

  await killProcesses(agent.port);
  await expectCommandRuns(agent.port);
  await eventually(
    "no descriptor and no child more than before",
    () => fdCount(agent.pid) <= before && childrenOf(agent.pid).length === 0,
    () => ({ fds: fdCount(agent.pid), was: before, children: childrenOf(agent.pid) }),
  );
}
