// The end status, in the words of Go, which existing clients show and parse.

import { expect, test } from "vitest";
import { endFromWaitStatus } from "../../src/process/end-status.ts";
import { outputOf } from "../support/agent/process-output.ts";
import { createTable } from "../support/agent/process-table.ts";
import { command, PTY, script } from "../support/clients/start-requests.ts";

/**
 * What Go 1.26 on Linux prints for `syscall.Signal(n)`, starting at 1. Above 31 it prints numbers.
 */
const goSignals = [
  "hangup",
  "interrupt",
  "quit",
  "illegal instruction",
  "trace/breakpoint trap",
  "aborted",
  "bus error",
  "floating point exception",
  "killed",
  "user defined signal 1",
  "segmentation fault",
  "user defined signal 2",
  "broken pipe",
  "alarm clock",
  "terminated",
  "stack fault",
  "child exited",
  "continued",
  "stopped (signal)",
  "stopped",
  "stopped (tty input)",
  "stopped (tty output)",
  "urgent I/O condition",
  "CPU time limit exceeded",
  "file size limit exceeded",
  "virtual timer expired",
  "profiling timer expired",
  "window changed",
  "I/O possible",
  "power failure",
  "bad system call",
  ...Array.from({ length: 33 }, (_, index) => `signal ${index + 32}`),
];

test("every signal has the name that Go gives it, with a core dump if there was one", () => {
  for (const [index, name] of goSignals.entries()) {
    const signal = index + 1;
    const status = `signal: ${name}`;
    expect(endFromWaitStatus(signal)).toEqual({ exitCode: -1, exited: false, status, error: status });
    const dumped = `${status} (core dumped)`;
    expect(endFromWaitStatus(signal | 0x80)).toEqual({
      exitCode: -1,
      exited: false,
      status: dumped,
      error: dumped,
    });
  }
});

test("every exit code is reported unchanged, and only 0 is not an error", () => {
  expect(endFromWaitStatus(0)).toStrictEqual({ exitCode: 0, exited: true, status: "exit status 0" });
  for (let exitCode = 1; exitCode < 256; exitCode++) {
    const status = `exit status ${exitCode}`;
    expect(endFromWaitStatus(exitCode << 8)).toStrictEqual({ exitCode, exited: true, status, error: status });
  }
});

test.each([0, 1, 2, 127, 128, 255])("a process that exits with %i ends with that code", async (exitCode) => {
  const table = createTable();
  const { end } = await outputOf(await table.start(script(`exit ${exitCode}`)));

  expect(end).toStrictEqual(endFromWaitStatus(exitCode << 8));
});

// Signals that dump core are left out: whether there is a dump depends on the system.
test.each([
  ["HUP", "hangup"],
  ["INT", "interrupt"],
  ["KILL", "killed"],
  ["USR1", "user defined signal 1"],
  ["PIPE", "broken pipe"],
  ["ALRM", "alarm clock"],
  ["TERM", "terminated"],
  ["40", "signal 40"],
])("a process that SIG%s kills ends with that signal, on pipes and on a terminal", async (signal, name) => {
  const table = createTable();
  const status = `signal: ${name}`;
  for (const stdio of [undefined, PTY]) {
    const request = script(`echo before; kill -${signal} $$; echo after`, stdio && { stdio });
    const { stdout, pty, end } = await outputOf(await table.start(request));

    expect(stdout + pty).toMatch(/^before\r?\n$/);
    expect(end).toStrictEqual({ exitCode: -1, exited: false, status, error: status });
  }
});

test("a crash ends with its signal", async () => {
  const table = createTable();
  const { end } = await outputOf(await table.start(script("ulimit -c 0; kill -SEGV $$")));

  expect(end).toMatchObject({ exitCode: -1, exited: false });
  expect(end.status).toMatch(/^signal: segmentation fault( \(core dumped\))?$/);
});

test("a shell that exits with 128 + 9 for its child has exited and was not killed", async () => {
  const table = createTable();
  const { end } = await outputOf(await table.start(command("sh", ["-c", "sh -c 'kill -9 $$'; exit $?"])));

  expect(end).toStrictEqual({
    exitCode: 137,
    exited: true,
    status: "exit status 137",
    error: "exit status 137",
  });
});
