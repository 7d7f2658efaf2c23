// Kernel priorities and limits of commands: independent of those that a supervisor gave the agent, from the start on.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type RunningAgent, runCommand, startAgent } from "../support/agent/agent.ts";
import { killAll } from "../support/agent/running-processes.ts";
import { answerOf } from "../support/clients/command-answer.ts";
import { eventually, fdCount } from "../support/proc/proc.ts";

const isRoot = process.getuid?.() === 0;
/** Needed to lower an OOM score; root in a container may lack it. */
const hasSysResource = /^CapEff:\s*[0-9a-f]*[13579bdf][0-9a-f]{6}$/m.test(
  readFileSync("/proc/self/status", "utf8"),
);
const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/** The values that a command and its child see. */
async function propertiesOf({ url }: RunningAgent, pty = false) {
  const script = "cat /proc/self/oom_score_adj; nice; ionice; ulimit -Sn; ulimit -Hn";
  const { stdout } = await answerOf(url, "bash", ["-c", script], { pty });
  const [oomScoreAdj, nice, ioPriority, soft, hard] = stdout.trimEnd().split(/\r?\n/);
  return {
    oomScoreAdj: Number(oomScoreAdj),
    nice: Number(nice),
    ioPriority,
    soft: Number(soft),
    hard: Number(hard),
  };
}

/** The values of the thread of the agent that starts commands. */
function ownProperties({ pid }: RunningAgent) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const limits = /^Max open files +(\d+) +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"));
  return {
    oomScoreAdj: Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8")),
    nice: Number(fields[16]),
    soft: Number(limits?.[1]),
    hard: Number(limits?.[2]),
  };
}

/** `bash -c` applies them to itself and then executes the agent. */
const supervised = (settings: string) => ["bash", "-c", `${settings}; exec "$@"`, "bash"];

describe.each([
  ["pipes", false],
  ["a terminal", true],
] as const)("on %s", (_, pty) => {
  test("by default, commands have a soft limit of 1024 open files and are killed first when memory runs out", async () => {
    const agent = await startAgent({ prefix: ["prlimit", "--nofile=2048:4096"] });
    const own = ownProperties(agent);
    expect(await propertiesOf(agent, pty)).toMatchObject({
      oomScoreAdj: Math.max(100, own.oomScoreAdj),
      // Only root can lower the nice value.
      nice: isRoot ? 0 : own.nice,
      soft: 1024,
      hard: 4096,
    });
    // The agent keeps its own limit, as Node raised it.
    expect(ownProperties(agent)).toEqual({ ...own, soft: 4096 });
  });

  test.runIf(isRoot)(
    "the values that a supervisor gave the agent do not reach commands, and the agent keeps them",
    async () => {
      const prefix = supervised(
        "echo 50 > /proc/self/oom_score_adj; renice -n -5 $$ >/dev/null; ionice -c 2 -n 0 -p $$",
      );
      const agent = await startAgent({ prefix });
      for (let i = 0; i < 3; i++) {
        expect(await propertiesOf(agent, pty)).toMatchObject({
          oomScoreAdj: 100,
          nice: 0,
          ioPriority: expect.stringMatching(/^none: prio 0$|^best-effort: prio 4$/),
        });
        expect(ownProperties(agent)).toMatchObject({ oomScoreAdj: 50, nice: -5 });
      }
    },
  );

  test.runIf(isRoot)("flags set the values of commands", async () => {
    const args = [
      "--oom-score-adj",
      "321",
      "--nice=7",
      "--io-priority",
      "best-effort:6",
      "--open-files",
      "99",
    ];
    const agent = await startAgent({ args });
    expect(await propertiesOf(agent, pty)).toMatchObject({
      oomScoreAdj: 321,
      nice: 7,
      ioPriority: "best-effort: prio 6",
      soft: 99,
    });
    expect(ownProperties(agent)).toMatchObject({ nice: getPriority() });
  });

  test.runIf(isRoot)('with "inherit", they get the values of the agent', async () => {
    const agent = await startAgent({
      prefix: supervised("echo 50 > /proc/self/oom_score_adj; renice -n 3 $$ >/dev/null; ulimit -n 3000"),
      args: ["--oom-score-adj=inherit", "--nice=inherit", "--io-priority=inherit", "--open-files=inherit"],
    });
    expect(await propertiesOf(agent, pty)).toMatchObject({
      oomScoreAdj: 50,
      nice: 3,
      soft: 3000,
      hard: 3000,
    });
  });
});

test.runIf(hasSysResource)(
  "a command of another user cannot take the agent's protection from being killed for itself",
  async () => {
    const agent = await startAgent({ prefix: supervised("echo -900 > /proc/self/oom_score_adj") });
    const script = "(echo -500 > /proc/self/oom_score_adj) 2>/dev/null || cat /proc/self/oom_score_adj";
    const { stdout } = await answerOf(agent.url, "bash", ["-c", script], { user: "nobody" });
    expect(stdout).toBe("100\n");
    expect(ownProperties(agent)).toMatchObject({ oomScoreAdj: -900 });
  },
);

test.runIf(isRoot)(
  "an agent without the right to change its priority starts, says so, and leaves it as it is",
  async () => {
    const prefix = [...supervised("renice -n 0 $$ >/dev/null"), ...asNobody];
    const agent = await startAgent({ prefix, args: ["--nice=5"], env: { HOME: "/" } });
    expect(await propertiesOf(agent)).toMatchObject({ nice: 0 });
    expect(ownProperties(agent)).toMatchObject({ nice: 0 });
    expect(agent.stderr()).toContain("nice stays 0 for commands: no right to make it 5");
  },
);

test("an agent with more open files than the limit of its commands starts them", async () => {
  const agent = await startAgent({ args: ["--open-files", "20"] });
  const held = ["a", "b", "c", "d"].map((tag) => answerOf(agent.url, "cat", [], { tag }));
  onTestFinished(async () => void (await Promise.all(held)));
  onTestFinished(() => killAll(agent.url));
  // Each needs three pipes and a connection.
  await eventually(
    "the agent has more than 20 descriptors",
    () => fdCount(agent.pid) > 20,
    () => fdCount(agent.pid),
  );
  expect(await propertiesOf(agent)).toMatchObject({ soft: 20 });
  expect(await propertiesOf(agent, true)).toMatchObject({ soft: 20 });
});

test.each([
  ["--oom-score-adj", "1001"],
  ["--oom-score-adj", "-1.5"],
  ["--nice", "20"],
  ["--nice", "high"],
  ["--io-priority", "best-effort"],
  ["--io-priority", "realtime:8"],
  ["--open-files", "-1"],
])("%s=%s is refused with what would be right", async (flag, value) => {
  const command = runCommand({ args: ["serve", "--port", "0", `${flag}=${value}`] });
  expect((await command.exited()).code).toBe(2);
  expect(command.stderr()).toMatch(new RegExp(`${flag} .*${value}.*"inherit"`, "s"));
});

const cgroupRoot = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find(isWritableCgroup);

/** A cgroup (version 2) in which this user can create children. */
function isWritableCgroup(folder: string): boolean {
  if (!existsSync(join(folder, "cgroup.controllers"))) return false;
  const probe = join(folder, `hf-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    // EROFS, EACCES: no permission.
    return false;
  }
}

function createCgroup(): string {
  const path = join(cgroupRoot ?? "", `hf-test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
  mkdirSync(path);
  onTestFinished(() => rmdirSync(path));
  return path;
}

describe.runIf(cgroupRoot !== undefined)("in cgroups (version 2)", () => {
  const ownCgroup = "grep ^0: /proc/self/cgroup";

  test("commands on pipes go below user, those on a terminal below pty, with their children", async () => {
    const path = createCgroup();
    const agent = await startAgent({ args: ["--cgroup", path] });
    for (const [kind, pty] of [
      ["user", false],
      ["pty", true],
    ] as const) {
      for (const script of [ownCgroup, `(${ownCgroup})`, `bash -c '${ownCgroup}; true'`]) {
        const { stdout } = await answerOf(agent.url, "bash", ["-c", script], { pty });
        expect(stdout.trimEnd()).toMatch(new RegExp(`/${path.split("/").at(-1)}/${kind}$`));
      }
    }
    const own = readFileSync(`/proc/${agent.pid}/cgroup`, "utf8");
    expect(own).not.toContain(path.split("/").at(-1));
    await agent.stop();
    expect(readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())).toEqual([]);
  });

  test("100 commands that fork at once leave no process outside", async () => {
    const path = createCgroup();
    const agent = await startAgent({ args: ["--cgroup", path] });
    // The fastest possible: no shell runs before the fork.
    const fork = ["-e", "fork; open F, '/proc/self/cgroup'; print grep /^0:/, <F>"];
    for (let i = 0; i < 10; i++) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => answerOf(agent.url, "perl", fork)));
      for (const { stdout } of answers) {
        const lines = stdout.trimEnd().split("\n");
        expect(lines).toHaveLength(2);
        for (const line of lines) expect(line).toMatch(/\/user$/);
      }
    }
  });
});

test.each(["/", "/nowhere", "/proc"])(
  "an agent with --cgroup %s, which is not a cgroup, does not start",
  async (path) => {
    const command = runCommand({ args: ["serve", "--port", "0", "--cgroup", path] });
    expect((await command.exited()).code).toBe(1);
    expect(command.stderr()).toMatch(
      /cannot start: cannot use the cgroup \/\S* \(--cgroup\): it is not a cgroup of version 2\n$/,
    );
  },
);
