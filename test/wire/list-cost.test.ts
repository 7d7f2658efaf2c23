// List checks for each detached process whether the process is blocked in a write. If no output of the process waits in its
// pipe, the kernel answers this without opening a file.

import { describe, expect, test } from "vitest";
import { plainClient } from "../support/agent/running-processes.ts";
import { hasStrace, startTracedAgent } from "../support/agent/traced-agent.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

describe.runIf(hasStrace)("with system calls traced", () => {
  test("a list of detached processes whose pipes are empty opens nothing in /proc/self/fd", async () => {
    const agent = await startTracedAgent(["open", "openat"], []);
    for (let i = 0; i < 5; i++)
      await startAndLeave(agent.port, { process: { cmd: "sleep", args: ["600"] }, stdin: false });
    const client = plainClient(agent.url);
    // The first one loads code.
    const list = async () => (await client.list({ omitConfig: true, sinceRevision: 0n })).processes.length;
    expect(await list()).toBe(5);
    const before = agent.calls().length;
    for (let i = 0; i < 10; i++) await list();
    expect(agent.calls().slice(before)).not.toMatch(/\/proc\/self\/fd/);
  });
});
