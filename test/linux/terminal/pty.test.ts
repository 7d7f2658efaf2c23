// Processes on a terminal: a real controlling terminal, with job control, sizes, and input that
// never blocks the agent.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { PtySize } from "../../../src/linux/index.ts";
import { PTY_CAPACITY_BYTES } from "../../../src/linux/terminal/pty.ts";
import { collectOutput, outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PTY, script, terminalScript } from "../../support/clients/start-requests.ts";
import { createFifo } from "../../support/proc/fifo.ts";
import { eventually } from "../../support/proc/proc.ts";
import { untilBlockedInWrite } from "../../support/proc/proc-activity.ts";

const CTRL_C = "\x03";
const CTRL_D = "\x04";
const CTRL_Z = "\x1a";
const SIGKILL = 9;

test("the terminal has a name and the requested size, and is the controlling terminal", async () => {
  const table = createTable();
  const process = await table.start(
    script("tty; stty size; echo by name > /dev/tty; ps -o tty= -p $$", {
      stdio: { kind: "pty", size: { cols: 123, rows: 45 } },
    }),
  );
  const { pty, end } = await outputOf(process);

  const [, name = ""] = /^\/dev\/(pts\/\d+)\r\n/.exec(pty) ?? [];
  expect(pty).toBe(`/dev/${name}\r\n45 123\r\nby name\r\n${name}\r\n`);
  expect(end.exitCode).toBe(0);
});

test("Ctrl-C ends the job in the foreground and the shell continues; Ctrl-Z stops a job and fg continues it", async () => {
  const table = createTable();
  const shell = await table.start(command("bash", ["--norc", "--noprofile", "-i"], { stdio: PTY }));
  const output = collectOutput(shell);
  const type = (text: string) => shell.write("pty", Buffer.from(text));

  await type("sleep 60\n");
  await untilForeground(shell.pid, "sleep");
  await type(CTRL_C);
  // With the quotes, the echo of the typed text does not match as output.
  await type("echo went 'on' $?\n");
  await output.waitFor("pty", /went on 130/);

  await type("sleep 60\n");
  await untilForeground(shell.pid, "sleep");
  await type(CTRL_Z);
  await output.waitFor("pty", /Stopped\s+sleep 60/);
  await type("fg\n");
  await untilForeground(shell.pid, "sleep");
  await type(CTRL_C);
  await type("exit 7\n");

  expect((await output.end()).exitCode).toBe(7);
});

/**
 * Blocks the signal and waits for it: the trap of a shell may run just before the shell waits, and
 * the next one late.
 */
const tellSizes = `
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
print("ready", flush=True)
while True:
    signal.sigwait([signal.SIGWINCH])
    size = os.get_terminal_size(1)
    print(size.lines, size.columns, flush=True)
`;

import { needPrograms } from "../../support/programs.ts";

test("a resize sends SIGWINCH to the process, and the process reads the new size", async () => {
  const table = createTable();
  needPrograms("python3");
  const process = await table.start(command("python3", ["-c", tellSizes], { stdio: PTY }));
  const output = collectOutput(process);
  await output.waitFor("pty", /ready\r\n/);

  process.resize({ cols: 132, rows: 50 });
  await output.waitFor("pty", /^50 132\r$/m);
  process.resize({ cols: 65_535, rows: 1 });
  await output.waitFor("pty", /^1 65535\r$/m);
});

const badSizes: readonly [string, PtySize][] = [
  ["cols is 0", { cols: 0, rows: 24 }],
  ["rows is 0", { cols: 80, rows: 0 }],
  ["cols is -1", { cols: -1, rows: 24 }],
  ["cols is 65536", { cols: 65_536, rows: 24 }],
  ["rows is 4294967295", { cols: 80, rows: 2 ** 32 - 1 }],
  ["rows is 1.5", { cols: 80, rows: 1.5 }],
  ["cols is NaN", { cols: Number.NaN, rows: 24 }],
];

test("a size of 0 or above the limit of a terminal is refused at the start and at a resize", async () => {
  const table = createTable();
  const process = await table.start(terminalScript("read -r line; stty size"));
  const output = collectOutput(process);
  for (const [what, size] of badSizes) {
    const refusal = { code: "invalid_argument", message: `pty size: ${what}, must be 1 to 65535` };
    await expect(table.start(command("true", [], { stdio: { kind: "pty", size } }))).rejects.toMatchObject(
      refusal,
    );
    expect(() => process.resize(size)).toThrow(expect.objectContaining(refusal));
  }

  await process.write("pty", Buffer.from("\n"));
  await output.end();
  expect(output.text("pty")).toMatch(/24 80\r\n$/);
});

test("a process on pipes has no size, and neither has one that ended", async () => {
  const table = createTable();
  const onPipes = await table.start(command("sleep", ["60"]));
  expect(() => onPipes.resize({ cols: 80, rows: 24 })).toThrow(
    expect.objectContaining({
      code: "failed_precondition",
      message: `process ${onPipes.pid} has no window size: it runs on pipes`,
    }),
  );

  const ended = await table.start(command("true", [], { stdio: PTY }));
  await outputOf(ended);
  expect(() => ended.resize({ cols: 80, rows: 24 })).toThrow(expect.objectContaining({ code: "not_found" }));
});

test("Ctrl-D is end of file, and the terminal echoes typed text", async () => {
  const table = createTable();
  const process = await table.start(command("cat", [], { stdio: PTY }));
  const output = collectOutput(process);
  await process.write("pty", Buffer.from("typed\n"));
  await process.write("pty", Buffer.from(CTRL_D));

  expect((await output.end()).exitCode).toBe(0);
  expect(output.text("pty")).toBe("typed\r\ntyped\r\n");
});

test("backspace erases a whole character of UTF-8", async () => {
  const table = createTable();
  const process = await table.start(command("cat", [], { stdio: PTY }));
  const output = collectOutput(process);
  await process.write("pty", Buffer.from("aé\x7f\x7fü€\x7f\n\x04"));

  expect((await output.end()).exitCode).toBe(0);
  // The last line is what `cat` has read.
  expect(output.text("pty").split("\r\n").at(-2)).toBe("ü");
});

test("a megabyte of input for a program that does not read blocks nothing, and arrives complete when it reads", async () => {
  const table = createTable();
  const fifo = createFifo();
  const text = Buffer.from(
    Array.from({ length: 125_000 }, (_, index) => `${index}`.padStart(7, "0")).join("\n"),
  );
  const process = await table.start(
    terminalScript(`stty raw -echo; echo ready; ${fifo.wait}; head -c ${text.length} | sha256sum`),
  );
  const output = collectOutput(process);
  await output.waitFor("pty", /ready/);

  let written = false;
  const writing = process.write("pty", text).then(() => {
    written = true;
  });
  // With an event loop that blocks in the write, these turns never come.
  for (let turns = 0; turns < 200; turns++) await turn();
  const other = await outputOf(await table.start(command("echo", ["meanwhile"])));
  expect(other.stdout).toBe("meanwhile\n");
  expect(written).toBe(false);

  fifo.open();
  await writing;
  expect((await output.end()).exitCode).toBe(0);
  expect(output.text("pty")).toContain(createHash("sha256").update(text).digest("hex"));
});

test.each(["raw", "cooked"])(
  "a terminal that is not read (%s) holds far less than PTY_CAPACITY_BYTES",
  async (mode) => {
    const table = createTable();
    // No client is attached: the agent reads nothing.
    const process = await table.start(terminalScript(`stty ${mode}; exec yes`));
    await untilBlockedInWrite(process.pid);
    process.signal(SIGKILL);
    await eventually(
      "it is reaped",
      () => !process.isRunning,
      () => process.pid,
    );
    const { pty } = await outputOf(process);

    // Measured: 13 to 22 kB on Linux 6.18, depending on mode and size of the writes.
    expect(pty.length).toBeGreaterThan(4 * 1024);
    expect(pty.length).toBeLessThan(PTY_CAPACITY_BYTES / 2);
  },
);

test("a process that closes its terminal gets no SIGHUP, continues, and keeps its exit code", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(
    terminalScript(`echo leaving; exec < /dev/null > /dev/null 2>&1; ${fifo.wait}; exit 3`),
  );
  const output = collectOutput(process);
  await output.waitFor("pty", /leaving/);
  await untilTerminalReleased(process.pid);
  // The agent handles the hang-up in the next turns.
  for (let turns = 0; turns < 20; turns++) await turn();
  fifo.open();

  expect(await output.end()).toMatchObject({ exitCode: 3, status: "exit status 3" });
});

test("a terminal that its process closed and opens again as /dev/tty, as ssh does for a password, works", async () => {
  const table = createTable();
  const fifo = createFifo();
  const ask = "echo password: > /dev/tty; read -r line < /dev/tty; echo got $line > /dev/tty";
  const process = await table.start(
    terminalScript(`echo leaving; exec < /dev/null > /dev/null 2>&1; ${fifo.wait}; ${ask}; exit 5`),
  );
  const output = collectOutput(process);
  await output.waitFor("pty", /leaving/);
  await untilTerminalReleased(process.pid);
  for (let turns = 0; turns < 20; turns++) await turn();
  fifo.open();

  await output.waitFor("pty", /password:\r\n/);
  await process.write("pty", Buffer.from("secret\n"));
  await output.waitFor("pty", /got secret\r\n/);
  expect((await output.end()).exitCode).toBe(5);
});

test("a resize of a terminal that its process has closed does not reach the terminal of another process", async () => {
  const table = createTable();
  const process = await table.start(
    terminalScript(
      "trap '' HUP; echo leaving; exec < /dev/null > /dev/null 2>&1; while :; do sleep 60; done",
    ),
  );
  const output = collectOutput(process);
  await output.waitFor("pty", /leaving/);
  await untilTerminalReleased(process.pid);
  for (let turns = 0; turns < 20; turns++) await turn();

  const others = await Promise.all(
    Array.from({ length: 3 }, () => table.start(terminalScript("read -r x; stty size"))),
  );
  const outputs = others.map((other) => collectOutput(other));
  try {
    process.resize({ cols: 99, rows: 11 });
  } catch (error) {
    expect(error).toMatchObject({ name: "HoldfastError", code: "failed_precondition" });
  }
  for (const other of others) await other.write("pty", Buffer.from("\n"));
  for (const other of outputs) {
    await other.end();
    expect(other.text("pty")).toMatch(/24 80\r\n$/);
  }
});

/**
 * Waits until the job is executed: earlier, a Ctrl-C would reach a child of the shell that catches
 * it.
 */
async function untilForeground(shell: number, job: string): Promise<void> {
  const foreground = () => {
    const [, , , , , , , group = ""] = readFileSync(`/proc/${shell}/stat`, "latin1").split(" ");
    return readFileSync(`/proc/${group}/comm`, "latin1").trim();
  };
  await eventually(`${job} runs in the foreground`, () => foreground() === job, foreground);
}

async function untilTerminalReleased(pid: number): Promise<void> {
  const open = () => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  await eventually(
    "its terminal is closed",
    () => !open().some((path) => path.startsWith("/dev/pts/")),
    open,
  );
}
