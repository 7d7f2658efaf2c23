// Signals reach a running process, and never another process that has its pid later.

import { expect, test } from "vitest";
import { MemoryBudget } from "../../src/multiplexer/index.ts";
import { PROCESS_DEFAULTS } from "../../src/process/index.ts";
import { openPipes } from "../../src/process/io/stdio.ts";
import { Process } from "../../src/process/process.ts";
import { WatchedChild } from "../../src/process/reaper.ts";
import { holdRequest } from "../../src/process/start/held-request.ts";
import { ChangeOrder } from "../../src/process/table/change-order.ts";
import { createStatistics } from "../../src/process/table/statistics.ts";
import { collectOutput, outputOf } from "../support/agent/process-output.ts";
import { createTable } from "../support/agent/process-table.ts";
import { command, script } from "../support/clients/start-requests.ts";
import { canChoosePid, startWithPid } from "../support/proc/chosen-pid.ts";
import { eventually, stateOf } from "../support/proc/proc.ts";

const SIGUSR1 = 10;
const SIGKILL = 9;
const SIGTERM = 15;

test("a running process gets the signal, and continues if it catches it", async () => {
  const table = createTable();
  const process = await table.start(
    script("trap 'echo caught' USR1; echo ready; while :; do sleep 0.02; done"),
  );
  const output = collectOutput(process);
  await output.waitFor("stdout", /ready/);

  process.signal(SIGUSR1);
  await output.waitFor("stdout", /caught/);
  process.signal(SIGKILL);

  expect(await output.end()).toMatchObject({ exitCode: -1, status: "signal: killed" });
});

test("a signal reaches the process alone, a group signal also its descendants", async () => {
  const table = createTable();
  const loop = 'run() { trap "echo $1 caught" USR1; echo "$1 ready"; while :; do sleep 0.02; done; }';
  const process = await table.start(script(`${loop}; run child & run parent`));
  const output = collectOutput(process);
  await output.waitFor("stdout", /^child ready$/m);
  await output.waitFor("stdout", /^parent ready$/m);

  process.signal(SIGUSR1);
  await output.waitFor("stdout", /parent caught/);
  expect(output.text("stdout")).not.toMatch(/child caught/);
  process.signalGroup(SIGUSR1);
  await output.waitFor("stdout", /child caught/);
  process.signalGroup(SIGKILL);

  expect((await output.end()).status).toBe("signal: killed");
});

test("after its end a process can neither be found nor signalled", async () => {
  const table = createTable();
  const process = await table.start(command("true"));
  await outputOf(process);

  const gone = { code: "not_found", message: `process ${process.pid} has ended` };
  expect(() => process.signal(SIGTERM)).toThrow(expect.objectContaining(gone));
  expect(() => process.signalGroup(SIGTERM)).toThrow(expect.objectContaining(gone));
  expect(() => table.find({ kind: "pid", pid: process.pid })).toThrow(
    expect.objectContaining({ code: "not_found", message: `no process with pid ${process.pid}` }),
  );
});

test("a process that is reaped and still draining refuses signals", async () => {
  const table = createTable({ drainTimeoutMs: 60_000 });
  const process = await table.start(script("sleep 60 & echo $!"));
  const output = collectOutput(process);
  const [, orphan] = await output.waitFor("stdout", /^(\d+)\n/);
  await eventually(
    "it is reaped",
    () => !process.isRunning,
    () => process.pid,
  );

  expect(table.find({ kind: "pid", pid: process.pid })).toBe(process);
  // Its group still exists: the orphan is in it.
  for (const signal of [() => process.signal(SIGKILL), () => process.signalGroup(SIGKILL)])
    expect(signal).toThrow(expect.objectContaining({ code: "not_found" }));
  await untilAsleep(Number(orphan));
  globalThis.process.kill(Number(orphan), "SIGKILL");
  expect(await output.end()).toMatchObject({ exitCode: 0 });
});

test("a reaped process sends no signal to another process that has its pid", async () => {
  const table = createTable();
  const bystander = await table.start(command("sleep", ["60"]));
  // As if the pid was reused: the same number, in the state of a reaped process.
  const budget = new MemoryBudget(1_000_000);
  const ended = new Process(
    {
      child: new WatchedChild(bystander.pid),
      processId: "ended",
      position: 1,
      held: holdRequest(bystander.request, budget),
      user: "nobody",
      stdio: openPipes(true),
    },
    {
      drainTimeoutMs: 0,
      windowBytes: 1024,
      stallMs: 1000,
      budget,
      output: PROCESS_DEFAULTS.output,
      statistics: createStatistics(),
      changes: new ChangeOrder(),
    },
    () => {
      // It is in no table.
    },
  );
  ended.onReaped(0);

  for (const signal of [() => ended.signal(SIGKILL), () => ended.signalGroup(SIGKILL)])
    expect(signal).toThrow(expect.objectContaining({ code: "not_found" }));
  await untilAsleep(bystander.pid);
  bystander.signal(SIGTERM);
  expect((await outputOf(bystander)).end.status).toBe("signal: terminated");
});

test.runIf(canChoosePid())(
  "a process that gets the pid of one that still drains is found, also after the end of the other",
  async () => {
    const table = createTable({ drainTimeoutMs: 60_000 });
    // The orphan leaves the session: the kernel does not reuse the number of a session that has
    // members.
    const first = await table.start(script("setsid sleep 60 & echo $!; until [ -e /proc/$! ]; do :; done"));
    const firstOutput = collectOutput(first);
    const [, orphan] = await firstOutput.waitFor("stdout", /^(\d+)\n/);
    await eventually(
      "it is reaped",
      () => !first.isRunning,
      () => first.pid,
    );

    const second = await startWithPid(first.pid, () => table.start(command("sleep", ["60"])));
    expect(table.find({ kind: "pid", pid: second.pid })).toBe(second);
    expect(() => first.signal(SIGKILL)).toThrow(expect.objectContaining({ code: "not_found" }));
    process.kill(Number(orphan), "SIGKILL");
    await firstOutput.end();

    expect(table.find({ kind: "pid", pid: second.pid })).toBe(second);
    expect(table.list()).toEqual([second]);
  },
);

/** A killed process does not sleep. */
async function untilAsleep(pid: number): Promise<void> {
  await eventually(
    "it sleeps",
    () => stateOf(pid) === "S",
    () => stateOf(pid),
  );
}
