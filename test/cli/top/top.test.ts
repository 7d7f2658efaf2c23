// `holdfast top`: the rates, the printed tables, and the live view with its keys.
import { expect, test } from "vitest";
import { actionOf, keysIn } from "../../../src/cli/top/keys.ts";
import { ratesOf, sorted } from "../../../src/cli/top/rates.ts";
import type { ProcessInfo } from "../../../src/client/index.ts";
import { agentForFile } from "../../client/file-agent.ts";
import { openTmux } from "../../support/proc/tmux.ts";
import {
  finished,
  holdfast,
  holdfastOnDumbTerminal,
  holdfastOnTerminal,
  leave,
  untilProcess,
} from "../holdfast.ts";

const agent = agentForFile();

function info(processId: string, cpuMs: number, offset: number): ProcessInfo {
  return {
    ...{ pid: 1, processId, cmd: "x", args: [], env: {}, isPty: false, startedAt: new Date(0) },
    ...{ offset, subscribers: 0, heldBytes: 0, reading: true },
    usage: { cpuMs, residentBytes: 1, processes: 1 },
  };
}

test("rates are differences by the time between, and a new process counts from its start", () => {
  const before = { atMs: 1000, processes: [info("a", 100, 1000)] };
  const now = { atMs: 3000, processes: [info("a", 1100, 5000), info("b", 2000, 0)] };
  const rows = ratesOf(before, now);
  expect(rows.map(({ cpuPercent, bytesPerSecond }) => [cpuPercent, bytesPerSecond])).toEqual([
    [50, 2000],
    [100, 0],
  ]);
  const names = (key: Parameters<typeof sorted>[1]) => sorted(rows, key).map((row) => row.info.processId);
  expect([names("cpu"), names("output"), names("pid")]).toEqual([
    ["b", "a"],
    ["a", "b"],
    ["a", "b"],
  ]);
});

test("keys that arrive together are separate actions", () => {
  const keys = keysIn("\u001b[Bo\rx");
  expect(keys.map((key) => actionOf(key)?.kind)).toEqual(["move", "sort", "attach", undefined]);
});

test("on a pipe it prints one table, the busiest process first, with its children's CPU time", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "idle" });
  await leave(agent.url, "(while :; do :; done) & echo ready; wait", { tag: "busy", bytes: 6 });
  const { code, stdout } = await finished(holdfast(agent.url, ["top", "-d", "1s"]));
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ *PID {2}TAG +USER +STATE +AGE +CPU% +MEM +OUT\/S +SUBS {2}COMMAND\n/);
  expect(stdout).toMatch(/\n *\d+ {2}busy .*\n *\d+ {2}idle /);
  const rows = JSON.parse(
    (await finished(holdfast(agent.url, ["top", "-n", "1", "-d", "1s", "--json"]))).stdout,
  );
  expect(rows[0]).toMatchObject({ tag: "busy", output_bytes_per_second: 0 });
  expect(rows[0].cpu_percent).toBeGreaterThan(5);
  expect(rows[1]).toMatchObject({ tag: "idle", cpu_percent: 0 });
});

test("on a terminal: sort, see the output, attach and return, send a signal, quit", async () => {
  await leave(agent.url, "echo hello; exec sleep 1000", { tag: "one", bytes: 6 });
  const top = holdfastOnTerminal(agent.url, ["top", "-d", "200ms"], { cols: 100 });
  await top.waitFor(/1 running, sorted by cpu/);
  top.type("o");
  await top.waitFor(/sorted by output/);
  const beforeLogs = top.shown().length;
  top.type("l");
  await top.waitFor(/hello[\s\S]*press a key/, beforeLogs);
  const beforeReturn = top.shown().length;
  top.type(" ");
  await top.waitFor(/1 running/, beforeReturn);
  top.type("s");
  await top.waitFor(/Signal \(Enter: TERM/);
  top.type("stop\r");
  await top.waitFor(/SIGSTOP \(19\) sent to \d+/);
  top.type("skill\r");
  await untilProcess(agent.url, "one", { exit: expect.anything() });
  await top.waitFor(/0 running/);
  top.type("q");
  expect(await top.exited()).toBe(0);
  // The usual screen and the cursor are back.
  expect(top.shown().endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
});

test("a process on a terminal is attached to and left again from top", async () => {
  await leave(agent.url, "", { tag: "cat", cmd: "cat", args: [], pty: { cols: 80, rows: 24 } });
  const top = holdfastOnTerminal(agent.url, ["top", "-d", "200ms"]);
  await top.waitFor(/1 running/);
  top.type("\r");
  await top.waitFor(/attached to process/);
  top.type("typed\r");
  await top.waitFor(/typed\r\ntyped/);
  const beforeReturn = top.shown().length;
  top.type("\u0010\u0011");
  await top.waitFor(/1 running/, beforeReturn);
  top.type("q");
  expect(await top.exited()).toBe(0);
});

test("in a small window no line wraps, and the chosen process stays in view", async () => {
  const tags = ["名前", "b", "c", "d", "e", "last"];
  for (const tag of tags) await leave(agent.url, "exec sleep 1000", { tag });
  const window = await openTmux(agent.url)({ cols: 36, rows: 7 });
  await window.type("holdfast top -d 200ms --sort pid");
  await window.press("Enter");
  await window.until(/^6 running, sorted by pid\. a attach[^\n]*…\n *PID {2}TAG[^\n]*…\n *\d+ {2}名前/);
  await window.press("End");
  await window.until(/^6 running[^\n]*\n *PID [^\n]*\n(.*\n)* *\d+ {2}last/);
  await window.press("Home");
  await window.until(/^6 running[^\n]*\n *PID [^\n]*\n *\d+ {2}名前/);
  await window.press("?");
  await window.until(/^6 running, sorted by pid\. up, down/);
  await window.press("q");
  await window.until(/\$$/);
});

test("Ctrl-Z suspends it: the shell gets its screen, and fg draws for the present size", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "one" });
  const window = await openTmux(agent.url)({ cols: 100, rows: 24 });
  await window.type("holdfast top -d 200ms");
  await window.press("Enter");
  await window.until(/^1 running, sorted by cpu\. a attach, s signal, l output, h keys, q end\n/);
  await window.press("C-z");
  await window.until(/Stopped[\s\S]*\$$/);
  expect((await window.modes()).alternate).toBe(false);
  await window.resize(40, 10);
  await window.type("fg");
  await window.press("Enter");
  await window.until(/^1 running, sorted by cpu\. a attach[^\n]*…\n *PID/);
  expect((await window.modes()).alternate).toBe(true);
  await window.press("q");
  await window.until(/\$$/);
  expect((await window.modes()).alternate).toBe(false);
});

test("on a dumb terminal it prints tables without sequences, until Ctrl-C", async () => {
  const top = holdfastOnDumbTerminal(agent.url, ["top", "-d", "200ms"]);
  await top.waitFor(/COMMAND[\s\S]*COMMAND/);
  top.type("\u0003");
  expect(await top.exited()).toBe(130);
  expect(top.shown()).not.toContain("\u001b");
});
