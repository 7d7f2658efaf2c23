// `timeoutMs` of a request: it kills the process at the deadline, and leaves no timer if the
// process ends earlier.

import { expect, test } from "vitest";
import { agentTimers } from "../support/agent/agent-timers.ts";
import { collectOutput, outputOf } from "../support/agent/process-output.ts";
import { createTable } from "../support/agent/process-table.ts";
import { command, PTY, script } from "../support/clients/start-requests.ts";
import { childrenOf, eventually, stateOf } from "../support/proc/proc.ts";

test.each([undefined, PTY])(
  "at the deadline a process is killed, even if it catches signals: %j",
  async (stdio) => {
    const table = createTable();
    const process = await table.start(
      script("trap '' TERM INT HUP; echo begun; while :; do read -r -t 60 || :; done", {
        timeoutMs: 200,
        ...(stdio && { stdio }),
      }),
    );
    const { stdout, pty, end } = await outputOf(process);

    expect(stdout + pty).toMatch(/^begun/);
    expect(end).toMatchObject({ exitCode: -1, exited: false, status: "signal: killed" });
    expect(process.deadlinePassed).toBe(true);
  },
);

test("at the deadline the children of a process are killed with it", async () => {
  const table = createTable({ drainTimeoutMs: 60_000 });
  const process = await table.start(script("sleep 600 & echo $!; wait", { timeoutMs: 300 }));
  const { stdout, end } = await outputOf(process);

  // The drain ended because the child closed the pipe, long before its deadline.
  expect(end.status).toBe("signal: killed");
  await eventually(
    "the child is gone",
    () => stateOf(Number(stdout)) === undefined,
    () => stateOf(Number(stdout)),
  );
});

test("a stopped process, and one whose output is not read, are killed at the deadline", async () => {
  const table = createTable();
  const stopped = await table.start(script("kill -STOP $$", { timeoutMs: 150 }));
  const unread = await table.start(command("yes", [], { timeoutMs: 150 }));
  expect((await outputOf(stopped)).end.status).toBe("signal: killed");
  expect((await collectOutput(unread).end()).status).toBe("signal: killed");

  expect([stopped.deadlinePassed, unread.deadlinePassed]).toEqual([true, true]);
});

test("a process that ends before its deadline does not count as killed by it and leaves no timer", async () => {
  // Retention needs a timer.
  const table = createTable({ retainEndedMs: 0 });
  const timersBefore = agentTimers();
  const processes = await Promise.all(
    [60_000, 3_600_000, 2 ** 31, 2 ** 53].map((timeoutMs) => table.start(script("exit 3", { timeoutMs }))),
  );
  const ends = await Promise.all(processes.map(async (process) => (await outputOf(process)).end.exitCode));

  expect(ends).toEqual([3, 3, 3, 3]);
  expect(processes.map(({ deadlinePassed }) => deadlinePassed)).toEqual([false, false, false, false]);
  await eventually("no timer more than before", () => agentTimers() <= timersBefore, agentTimers);
});

test("a process that kills itself before its deadline does not count as killed by it", async () => {
  const table = createTable();
  const process = await table.start(script("kill -KILL $$", { timeoutMs: 60_000 }));

  expect((await outputOf(process)).end.status).toBe("signal: killed");
  expect(process.deadlinePassed).toBe(false);
});

test("a process that exits at its deadline counts as exited", async () => {
  const table = createTable();
  const starting = table.start(script("exit 3", { timeoutMs: 1 }));
  // No turn of the event loop until it has exited and its deadline has passed: the timer fires
  // before the reaper runs.
  const from = performance.now();
  while (performance.now() - from < 10 || !childrenOf(process.pid).every((pid) => stateOf(pid) === "Z"));
  const started = await starting;

  expect((await outputOf(started)).end).toMatchObject({ exitCode: 3, exited: true });
  expect(started.deadlinePassed).toBe(false);
});

test("a deadline during the drain has no effect: the process has exited", async () => {
  const table = createTable({ drainTimeoutMs: 300 });
  const process = await table.start(script("sleep 60 & exit 0", { timeoutMs: 150 }));

  expect((await outputOf(process)).end).toMatchObject({ exitCode: 0, exited: true });
  expect(process.deadlinePassed).toBe(false);
});
