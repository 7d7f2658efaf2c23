// Stopping the table: SIGTERM, a grace period, SIGKILL, and no new process.

import { expect, test } from "vitest";
import type { ProcessTable } from "../../../src/process/index.ts";
import { collectOutput, outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PTY, script } from "../../support/clients/start-requests.ts";
import { inTime } from "../../support/deadline.ts";
import { eventually, stateOf } from "../../support/proc/proc.ts";

const LONG_MS = 60_000;
const SIGSTOP = 19;

test("without running processes it resolves at once", async () => {
  expect(await createTable().shutdown(LONG_MS)).toEqual({ ended: 0, killed: 0 });
});

test("processes get SIGTERM, and those that end within the grace period are not killed", async () => {
  const table = createTable();
  const cleanup = "trap 'echo cleaning up; exit 5' TERM; echo ready; while :; do sleep 0.02; done";
  const outputs = await startReady(table, [cleanup, cleanup]);

  expect(await table.shutdown(LONG_MS)).toEqual({ ended: 2, killed: 0 });
  for (const output of outputs) {
    expect(await output.end()).toMatchObject({ exitCode: 5 });
    expect(output.text("stdout")).toBe("ready\ncleaning up\n");
  }
});

test("SIGTERM also reaches the children of a process", async () => {
  const table = createTable();
  const child = "(trap 'echo child ends; exit' TERM; echo ready; while :; do sleep 0.02; done)";
  const [output] = await startReady(table, [`trap 'wait; exit' TERM; ${child} & wait`]);

  expect(await table.shutdown(LONG_MS)).toEqual({ ended: 1, killed: 0 });
  await output?.end();
  expect(output?.text("stdout")).toBe("ready\nchild ends\n");
});

test("processes left after the grace period are killed and counted", async () => {
  const table = createTable({ warnings: [] });
  const stubborn = "trap '' TERM; echo ready; while :; do sleep 60; done";
  const [first, second, third] = await startReady(table, [stubborn, "echo ready; sleep 60", stubborn]);

  expect(await table.shutdown(100)).toEqual({ ended: 1, killed: 2 });
  expect((await first?.end())?.status).toBe("signal: killed");
  expect((await second?.end())?.status).toBe("signal: terminated");
  expect((await third?.end())?.status).toBe("signal: killed");
});

test("a process on a terminal, one blocked in write and a stopped one all end", async () => {
  const table = createTable();
  await table.start(command("sleep", ["60"], { stdio: PTY }));
  await table.start(command("yes"));
  const stopped = await table.start(command("sleep", ["60"]));
  stopped.signal(SIGSTOP);
  await eventually(
    "it is stopped",
    () => stateOf(stopped.pid) === "T",
    () => stateOf(stopped.pid),
  );

  expect(await table.shutdown(LONG_MS)).toEqual({ ended: 3, killed: 0 });
  expect((await outputOf(stopped)).end.status).toBe("signal: terminated");
});

test("an idle interactive shell on a terminal, which ignores SIGTERM, ends at once, and so do its children", async () => {
  const table = createTable();
  const idle = await table.start(command("bash", ["--norc", "-i"], { stdio: PTY }));
  const busy = await table.start(command("bash", ["--norc", "-i"], { stdio: PTY }));
  const outputs = [collectOutput(idle), collectOutput(busy)] as const;
  await outputs[0].waitFor("pty", /\$ $|# $/);
  await outputs[1].waitFor("pty", /\$ $|# $/);
  await busy.write("pty", Buffer.from("echo run''ning; sleep 1000\n"));
  await outputs[1].waitFor("pty", /running\r\n/);

  expect(await table.shutdown(LONG_MS)).toEqual({ ended: 2, killed: 0 });
  expect((await outputs[0].end()).status).toBe("signal: hangup");
  expect((await outputs[1].end()).status).toBe("signal: hangup");
});

test("from its first moment nothing is started, not even requests made before", async () => {
  const table = createTable({ warnings: [] });
  const refused = { code: "unavailable", message: "the agent is shutting down and starts no more processes" };
  await startReady(table, ["trap '' TERM; echo ready; while :; do sleep 60; done"]);
  // Its user is still being looked up on a thread.
  const underWay = table.start(command("true", [], { user: "root" }));
  const stopping = table.shutdown(100);

  await expect(table.start(command("true"))).rejects.toMatchObject(refused);
  await expect(underWay).rejects.toMatchObject(refused);
  expect(await stopping).toEqual({ ended: 0, killed: 1 });
  await expect(table.start(command("true"))).rejects.toMatchObject(refused);
});

test("a process that ended by itself and still drains after the grace period does not count as killed", async () => {
  const table = createTable({ warnings: [], drainTimeoutMs: LONG_MS });
  const [stubborn] = await startReady(table, ["trap '' TERM; echo ready; while :; do sleep 60; done"]);
  // The signals of the group do not reach the orphan.
  const draining = await table.start(script("setsid sleep 60 & echo $!; until [ -e /proc/$! ]; do :; done"));
  const output = collectOutput(draining);
  const [, orphan] = await output.waitFor("stdout", /^(\d+)\n/);
  await eventually(
    "it is reaped",
    () => !draining.isRunning,
    () => draining.pid,
  );

  const stopping = table.shutdown(50);
  expect((await stubborn?.end())?.status).toBe("signal: killed");
  process.kill(Number(orphan), "SIGKILL");

  expect(await stopping).toEqual({ ended: 1, killed: 1 });
  expect((await output.end()).exitCode).toBe(0);
});

test("a second shutdown while the first waits resolves, and so does the first", async () => {
  const table = createTable({ warnings: [] });
  await startReady(table, ["trap '' TERM; echo ready; while :; do sleep 60; done"]);

  const both = Promise.all([table.shutdown(LONG_MS), table.shutdown(50)]);
  const counts = await inTime(both, () => `listed: ${table.list().map(({ pid }) => pid)}`);
  expect(counts.map(({ ended, killed }) => ended + killed)).toEqual([1, 1]);
});

test("killAll ends all processes at once, even those that catch signals", async () => {
  const table = createTable({ warnings: [] });
  const stubborn = "trap '' TERM; echo ready; while :; do sleep 60; done";
  const outputs = await startReady(table, [stubborn, stubborn]);
  table.killAll();

  for (const output of outputs) expect((await output.end()).status).toBe("signal: killed");
});

/** Attached, and after their "ready". */
async function startReady(table: ProcessTable, texts: readonly string[]) {
  const outputs = await Promise.all(
    texts.map(async (text) => collectOutput(await table.start(script(text)))),
  );
  for (const output of outputs) await output.waitFor("stdout", /^ready\n/);
  return outputs;
}
