// E2B's unchanged SDK through upgrades: commands, input, a terminal and short calls do not notice them.

import { join } from "node:path";
import { Sandbox } from "e2b";
import { expect, onTestFinished, test, vi } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { useEmptyHome } from "../support/agent/empty-home.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(180_000, 1_800_000) });

test("the E2B SDK runs commands, sends input and uses a terminal through upgrades", async () => {
  const agent = await startAgent();
  const sandbox = await Sandbox.create({ debug: true, sandboxUrl: agent.url });
  onTestFinished(await useEmptyHome(agent.url));
  const stop = join(createTempFolder(), "stop");
  let isOver = false;
  let lines = "";
  const counting = await sandbox.commands.run(
    `i=0; while [ ! -e ${stop} ]; do echo line $i; i=$((i+1)); sleep 0.01; done; exit 7`,
    {
      background: true,
      onStdout: (data) => {
        lines += data;
      },
      timeoutMs: 0,
    },
  );
  let echoed = "";
  const fed = await sandbox.commands.run("cat", {
    background: true,
    stdin: true,
    onStdout: (data) => {
      echoed += data;
    },
    timeoutMs: 0,
  });
  let screen = "";
  const decoder = new TextDecoder();
  const terminal = await sandbox.pty.create({
    cols: 80,
    rows: 24,
    onData: (data) => {
      screen += decoder.decode(data);
    },
    timeoutMs: 0,
  });
  let short = 0;
  let sent = "";
  const feeding = (async () => {
    for (let count = 0; !isOver; count++) {
      await sandbox.commands.sendStdin(fed.pid, `piece ${count}\n`);
      sent += `piece ${count}\n`;
    }
  })();
  const calling = (async () => {
    while (!isOver) {
      expect((await sandbox.commands.run("echo short")).stdout).toBe("short\n");
      short++;
    }
  })();
  for (let count = 0; count < volume(4, 100); count++) {
    await upgrade(agent);
    await sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode(`echo mark$((${count} + 1000))\n`));
    await eventually(
      "the terminal answers",
      () => screen.includes(`mark${count + 1000}`),
      () => screen.slice(-500),
    );
  }
  isOver = true;
  await Promise.all([feeding, calling]);
  await sandbox.commands.run(`touch ${stop}`);
  await expect(counting.wait()).rejects.toMatchObject({ exitCode: 7 });
  const numbers = lines.trim().split("\n");
  expect(numbers).toEqual(numbers.map((_, index) => `line ${index}`));
  await eventually(
    "all input is back",
    () => echoed === sent,
    () => `${echoed.length} of ${sent.length}`,
  );
  expect(short).toBeGreaterThan(0);
  await fed.kill();
  await terminal.kill();
});
