// Two agents restored from one state (CRIU) share no id. Where CRIU does not work, the reason is printed.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const criu = spawnSync("criu", ["check"], { encoding: "utf8" });
const canRestore = criu.status === 0;
if (!canRestore)
  console.warn(`SKIPPED: criu check: ${criu.error?.message ?? criu.stderr.trim().split("\n").at(-1)}`);

test.runIf(canRestore)(
  "two agents restored from one state give 100 processes different ids",
  { timeout: 120_000 },
  async () => {
    const agent = await startAgent();
    const images = createTempFolder();
    const run = (...args: string[]) => {
      const { status, stderr } = spawnSync(
        "criu",
        [...args, "-D", images, "--shell-job", "--tcp-established"],
        {
          encoding: "utf8",
        },
      );
      expect(stderr).toBe("");
      expect(status).toBe(0);
    };
    run("dump", "-t", String(agent.pid));
    await agent.exited();
    const idsOfOneLife = async () => {
      run("restore", "--restore-detached");
      try {
        for (let i = 0; i < 100; i++) await startAndLeave(agent.port, { process: { cmd: "true", args: [] } });
        const { processes } = await plainClient(agent.url).list({ includeEnded: true });
        return processes.map(({ processId }) => processId);
      } finally {
        process.kill(agent.pid, "SIGKILL");
        await eventually(
          "the end of this life",
          () => !existsSync(join("/proc", String(agent.pid))),
          () => agent.pid,
        );
      }
    };
    const first = await idsOfOneLife();
    const second = await idsOfOneLife();
    expect(first).toHaveLength(100);
    expect(new Set([...first, ...second]).size).toBe(200);
  },
);
