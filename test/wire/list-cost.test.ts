// A list asks of each detached process whether it is blocked in a write. The kernel can answer that without opening anything
// if nothing of its output waits.

import { describe, expect, test } from "vitest";
import { plainClient } from "../support/agent/running-processes.ts";
import { hasStrace, startTracedAgent } from "../support/agent/traced-agent.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

describe.runIf(hasStrace)("with system calls traced", () => {
  test("lists of detached processes open no file", async () => {
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
