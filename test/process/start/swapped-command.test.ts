// Rule 15, while another program swaps the file of a command for one that would make the agent wait.

import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { startAndLeave } from "../../support/clients/start-and-leave.ts";
import { swapPaths } from "../../support/proc/path-swapper.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const STARTS = 150;

test("a program that is swapped for a FIFO starts or is refused, and the agent never waits for a writer", async () => {
  const folder = createTempFolder();
  const [tool, fifo] = [join(folder, "tool"), join(folder, "fifo")];
  copyFileSync("/bin/true", tool);
  execFileSync("mkfifo", ["--mode=755", fifo]);
  const agent = await startAgent();
  await swapPaths(tool, fifo);
  const codes = new Set<string>();
  for (let i = 0; i < STARTS; i++)
    codes.add((await startAndLeave(agent.port, { process: { cmd: tool } })).code);
  expect([...codes].sort()).toEqual(["invalid_argument", "ok"]);
});
