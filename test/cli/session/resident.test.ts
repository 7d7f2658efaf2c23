// The memory of a session that waits: on pipes and on a terminal, at first and again after input.
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { rssBytes } from "../../support/proc/proc.ts";
import { holdfast, holdfastOnTerminal, leave } from "../holdfast.ts";

const agent = agentForFile();

/** 60 MB with a reserve of 15 %. Measured on Node 20: 22 to 24 MB, and 52 to 56 while all code is mapped. */
const MAX_BYTES = 51_000_000;

/** Call it when the command has printed something: before, it is small because it has not begun. */
async function untilAtRest(pid: number): Promise<void> {
  await expect.poll(() => rssBytes(pid), { timeout: 10_000, interval: 20 }).toBeLessThan(MAX_BYTES * 0.8);
}

test("an attach on pipes that waits needs at most 51 MB, before and after input", async () => {
  await leave(agent.url, "exec cat", { tag: "pipes" });
  const command = holdfast(agent.url, ["attach", "pipes"], { stdin: "pipe" });
  command.child.stdin?.write("first\n");
  await command.waitFor("stdout", /first\n/);
  await untilAtRest(command.pid);
  command.child.stdin?.write("second\n");
  await command.waitFor("stdout", /second\n/);
  expect(rssBytes(command.pid)).toBeLessThan(MAX_BYTES);
  await untilAtRest(command.pid);
});

test("an attach on a terminal that waits needs at most 51 MB, before and after input", async () => {
  await leave(agent.url, "exec cat", { tag: "tty", pty: { cols: 80, rows: 24 } });
  const terminal = holdfastOnTerminal(agent.url, ["attach", "tty"]);
  await terminal.waitFor(/detaches/);
  terminal.type("first\r");
  await terminal.waitFor(/first/);
  await untilAtRest(terminal.pid);
  terminal.type("second\r");
  await terminal.waitFor(/second/);
  expect(rssBytes(terminal.pid)).toBeLessThan(MAX_BYTES);
  await untilAtRest(terminal.pid);
});
