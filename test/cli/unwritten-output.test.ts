// The output of commands that call no agent, when its reader is gone or the disk is full.
import { expect, test } from "vitest";
import { runCommand } from "../support/agent/agent.ts";

const commands = [
  ["completion", "bash"],
  ["context", "ls"],
  ["context", "ls", "--json"],
  ["doctor", "--json"],
  ["--help"],
  ["--version"],
  ["help", "run"],
  ["context", "add", "--help"],
];

test.each(commands)(
  "holdfast %s %s: a reader that is gone is exit code 141 and no message",
  async (...args) => {
    const command = runCommand({ args });
    command.child.stdout?.destroy();
    expect(await command.exited()).toEqual({ code: 141, signal: null });
    expect(command.stderr()).toBe("");
  },
);

test.each(commands)("holdfast %s %s: a full disk is one line and exit code 1", async (...args) => {
  const command = runCommand({ args, prefix: ["sh", "-c", 'exec "$@" >/dev/full', "sh"] });
  expect(await command.exited()).toEqual({ code: 1, signal: null });
  expect(command.stderr()).toMatch(/^holdfast: output is lost: ENOSPC: .*\n$/);
});
