// The modes that a program has set on the terminal here are reset in every way in which the command can end,
// and set again when it continues. Only what was set is reset. Real programs: full-screen.test.ts.

import { describe, expect, test } from "vitest";
import { createClient } from "../../../src/client/index.ts";
import { agentForFile } from "../../client/file-agent.ts";
import { cliPath, startAgent } from "../../support/agent/agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { type OnTerminal, onTerminal } from "../../support/proc/on-terminal.ts";
import { holdfastOnTerminal, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

const SET =
  "\\033[?1049h\\033[?1h\\033[?25l\\033[?1002h\\033[?1006h\\033[?2004h\\033[2;9r\\033[1;31m\\033]2;name\\007";
const RESET =
  "\u001b[?1l\u001b[?25h\u001b[?2004l\u001b[?9;1000;1001;1002;1003l\u001b[?1005;1006;1015;1016l\u001b[r\u001b[m\u001b[?1049l";
/** A mode or a scroll region. */
const SETS = new RegExp(`${String.fromCharCode(27)}\\[(\\?\\d|r)`);
const TITLE = "\u001b[23;2t";
const SCRIPT = `printf '${SET}'; echo ready; read x; echo "got $x"; read x`;

/** Where the modes are reset: the last time, if several. Fails if something is set again behind it. */
function expectReset({ shown }: OnTerminal): void {
  const text = shown();
  const at = text.lastIndexOf(RESET + TITLE);
  expect([text, at >= 0]).toEqual([text, true]);
  expect(text.slice(at + RESET.length + TITLE.length)).not.toMatch(SETS);
}

async function start(
  url: string,
  tag: string,
  nodeArgs: readonly string[] = [],
  flags: readonly string[] = [],
) {
  const terminal = onTerminal(
    [process.execPath, ...nodeArgs, cliPath, "run", "--pty", "--tag", tag, ...flags, "bash", "-c", SCRIPT],
    { env: { HOLDFAST_URL: url, NO_COLOR: "1" } },
  );
  await terminal.waitFor(/ready/);
  return terminal;
}

describe("the modes are reset", () => {
  test("by the detach keys, before the notice", async () => {
    const terminal = await start(agent.url, "keys");
    terminal.type("\u0010\u0011");
    expect(await terminal.exited()).toBe(0);
    expectReset(terminal);
    expect(terminal.shown().indexOf(RESET)).toBeLessThan(terminal.shown().indexOf("holdfast: detached"));
  });

  test("when the process is killed", async () => {
    const terminal = await start(agent.url, "killed");
    const client = createClient({ baseUrl: agent.url });
    await client.signal({ tag: "killed" }, "SIGKILL");
    client.close();
    expect(await terminal.exited()).toBe(137);
    expectReset(terminal);
  });

  test.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s", async (signal, code) => {
    const terminal = await start(agent.url, signal);
    terminal.kill(signal);
    expect(await terminal.exited()).toBe(code);
    expectReset(terminal);
  });

  test.each([
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGQUIT", 131],
    ["SIGTERM", 143],
  ] as const)("by %s that the process does not get", async (signal, code) => {
    const terminal = await start(agent.url, `spared ${signal}`, [], ["--no-signals"]);
    terminal.kill(signal);
    expect(await terminal.exited()).toBe(code);
    expectReset(terminal);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGQUIT", 131],
    ["SIGTERM", 143],
  ] as const)("by the third %s to an attach whose process outlives it", async (signal, code) => {
    const tag = `outlives ${signal}`;
    await leave(agent.url, `trap 'echo got' INT QUIT TERM; ${SCRIPT}; while :; do read x; done`, {
      ...{ tag, bytes: expect.any(Number) },
      pty: { cols: 80, rows: 24 },
    });
    const terminal = holdfastOnTerminal(agent.url, ["attach", "--from", "0", tag], {
      env: { NO_COLOR: "1" },
    });
    await terminal.waitFor(/ready/);
    terminal.kill(signal);
    await terminal.waitFor(/got/);
    terminal.kill(signal);
    await terminal.waitFor(/was sent again; the next/);
    terminal.kill(signal);
    expect(await terminal.exited()).toBe(code);
    expectReset(terminal);
    expect((await untilProcess(agent.url, tag, { subscribers: 0 })).exit).toBeUndefined();
  });

  test("when the agent ends, and the reason is repeated below: the full screen with the notice is gone", async () => {
    const ending = await startAgent();
    const terminal = await start(ending.url, "agent's end");
    await ending.stop();
    expect(await terminal.exited()).toBe(129);
    expectReset(terminal);
    const [before = "", after = ""] = terminal.shown().split(RESET + TITLE);
    expect(before).toMatch(/holdfast: the agent ends \(SIGTERM\) and ends the process/);
    expect(after).toMatch(/^(\r\n)?holdfast: the agent ended \(SIGTERM\), and process \d+ with it\r\n$/);
  });

  test("by a crash, before its message", async () => {
    const crash = 'process.on("SIGPWR", () => { throw new Error("made to crash"); })';
    const terminal = await start(agent.url, "crash", ["--import", `data:text/javascript,${crash}`]);
    terminal.kill("SIGPWR");
    expect(await terminal.exited()).toBe(125);
    expectReset(terminal);
    expect(terminal.shown().indexOf(RESET)).toBeLessThan(terminal.shown().indexOf("made to crash"));
  });

  test("by process.exit from anywhere", async () => {
    const exit = 'process.on("SIGPWR", () => process.exit(3))';
    const terminal = await start(agent.url, "exit", ["--import", `data:text/javascript,${exit}`]);
    terminal.kill("SIGPWR");
    expect(await terminal.exited()).toBe(3);
    expectReset(terminal);
  });

  test("when the connection is lost for good, before the message", async () => {
    const proxy = await startCuttingProxy({ port: agent.port });
    const terminal = await start(proxy.url, "lost", [], ["--give-up-after", "1s"]);
    proxy.refusing = true;
    proxy.cut("rst");
    expect(await terminal.exited()).toBe(125);
    expectReset(terminal);
  });
});

test("a program that sets nothing, or resets what it has set, leaves nothing to reset", async () => {
  for (const text of ["plain\\n", "\\033[?1049h\\033[?25l\\033[?25h\\033[?1049l\\033[31mred\\033[m"]) {
    const terminal = holdfastOnTerminal(agent.url, ["run", "--pty", "printf", text], {
      env: { NO_COLOR: "1" },
    });
    expect(await terminal.exited()).toBe(0);
    const [, shown = ""] = /detaches\r\n([\s\S]*)$/.exec(terminal.shown()) ?? [];
    const expected = text.replaceAll("\\033", "\u001b").replace("\\n", "\r\n");
    expect(shown).toBe(expected);
  }
});

test("a client that attaches has the modes before the output, and a reconnect does not set them again", async () => {
  const first = await start(agent.url, "again");
  first.type("\u0010\u0011");
  expect(await first.exited()).toBe(0);
  const proxy = await startCuttingProxy({ port: agent.port });
  const terminal = holdfastOnTerminal(proxy.url, ["attach", "again"], { env: { NO_COLOR: "1" } });
  const restored = "\u001b[?1049h\u001b]2;name\u001b\\";
  await terminal.waitFor(/\[\?1049h/);
  expect(terminal.shown()).toContain(`detaches\r\n\u001b[22;2t${restored}`);
  proxy.cut("rst");
  await terminal.waitFor(/reconnected/);
  terminal.type("text\n");
  await terminal.waitFor(/got text/);
  expect(terminal.shown().split(restored)).toHaveLength(2);
  terminal.type("\n");
  await terminal.exited();
  expectReset(terminal);
});

test("output to a file has no modes of this terminal: it is what the process wrote", async () => {
  const terminal = onTerminal(
    ["sh", "-c", `"$0" "$@" | od -An -c`, process.execPath, cliPath, "run", "--pty", "printf", "\\033[?25l"],
    { env: { HOLDFAST_URL: agent.url, NO_COLOR: "1" } },
  );
  expect(await terminal.exited()).toBe(0);
  expect(terminal.shown()).toMatch(/ 033 {3}\[ {3}\? {3}2 {3}5 {3}l\r\n$/);
});
