// No ended child of any parent stays a zombie, and every exit status reaches its own process.

import { expect, test } from "vitest";
import { collectOutput, outputOf } from "../support/agent/process-output.ts";
import { createTable } from "../support/agent/process-table.ts";
import { command, script } from "../support/clients/start-requests.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { childrenOf, eventually, stateOf } from "../support/proc/proc.ts";

test("200 quick processes leave no zombie, and each has its own exit code", async () => {
  const table = createTable();
  const ends = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const process = await table.start(command("sh", ["-c", `exit ${index}`]));
      return (await outputOf(process)).end.exitCode;
    }),
  );

  expect(ends).toEqual(Array.from({ length: 200 }, (_, index) => index));
  expect(childrenOf(process.pid)).toEqual([]);
  expect(table.list()).toEqual([]);
});

test("children that all end before the reaper runs, with merged SIGCHLDs, are all reaped", async () => {
  const table = createTable();
  const fifo = createFifo();
  const processes = await Promise.all(
    Array.from({ length: 40 }, (_, index) => table.start(script(`echo ready; ${fifo.wait}; exit ${index}`))),
  );
  const outputs = processes.map((process) => collectOutput(process));
  await Promise.all(outputs.map((output) => output.waitFor("stdout", /ready/)));

  fifo.open();
  // Without a turn of the event loop: the reaper cannot run.
  spinUntil(() => processes.every(({ pid }) => stateOf(pid) === "Z"));

  const ends = await Promise.all(outputs.map((output) => output.end()));
  expect(ends.map(({ exitCode }) => exitCode)).toEqual(processes.map((_, index) => index));
  expect(childrenOf(process.pid)).toEqual([]);
});

test("a process that ends before its start returns is reaped, and its end is reported", async () => {
  const table = createTable();
  const starting = table.start(command("sh", ["-c", "echo gone; exit 7"]));
  // It is started in this turn: no other user is looked up.
  spinUntil(() => childrenOf(process.pid).every((pid) => stateOf(pid) === "Z"));

  expect(await outputOf(await starting)).toMatchObject({ stdout: "gone\n", end: { exitCode: 7 } });
});

test("orphans become children of the agent when their process ends, and are reaped when they end", async () => {
  const table = createTable();
  const fifo = createFifo();
  const orphan = `(${fifo.wait}) > /dev/null 2>&1 & echo $!`;
  const { stdout } = await outputOf(await table.start(script(Array(5).fill(orphan).join("; "))));
  const orphans = stdout.trim().split("\n").map(Number);
  expect(orphans).toHaveLength(5);
  expect(childrenOf(process.pid).sort()).toEqual([...orphans].sort());

  fifo.open();

  await eventually(
    "all orphans are reaped",
    () => orphans.every((pid) => stateOf(pid) === undefined),
    () => orphans.map((pid) => [pid, stateOf(pid)]),
  );
});

test("a child that is stopped and continued, which also raises SIGCHLD, has not ended", async () => {
  const table = createTable();
  const process = await table.start(script("read -r line; exit 3"));
  const output = collectOutput(process);
  process.signal(19);
  await eventually(
    "it is stopped",
    () => stateOf(process.pid) === "T",
    () => stateOf(process.pid),
  );
  process.signal(18);
  await eventually(
    "it continues",
    () => stateOf(process.pid) !== "T",
    () => stateOf(process.pid),
  );

  expect(process.isRunning).toBe(true);
  process.closeStdin();
  expect(await output.end()).toMatchObject({ exitCode: 3 });
});

function spinUntil(isTrue: () => boolean): void {
  const deadline = performance.now() + 10_000;
  while (!isTrue()) if (performance.now() > deadline) throw new Error("not within 10 s");
}
