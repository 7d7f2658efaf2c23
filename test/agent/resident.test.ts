// The memory of an agent that has just started: most of Node's code is used once, at the start.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";

/** Before the idle time is over, after which an agent returns more. */
const SOON_MS = 3_000;

test("at most 60 MB are resident right after the start, and the agent works on", async () => {
  const agent = await startAgent();
  const residentKib = () =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))?.[1]);
  await expect.poll(residentKib, { timeout: SOON_MS, interval: 20 }).toBeLessThan(50_000);
  const { status } = await fetch(`${agent.url}/health`);
  expect(status).toBeLessThan(300);
  expect(residentKib()).toBeLessThan(60_000);
});
