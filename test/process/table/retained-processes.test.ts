// Rule 12: ended processes can be found for a while, in bounded number, and never instead of a live
// one.

import { expect, test } from "vitest";
import type { Process } from "../../../src/process/process.ts";
import type { ProcessTable } from "../../../src/process/table/process-table.ts";
import { outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, script } from "../../support/clients/start-requests.ts";
import { canChoosePid, startWithPid } from "../../support/proc/chosen-pid.ts";
import { eventually } from "../../support/proc/proc.ts";

async function run(table: ProcessTable, text = "exit 0", more: object = {}): Promise<Process> {
  const process = await table.start({ ...script(text), ...more });
  await outputOf(process);
  return process;
}

function foundBy(table: ProcessTable, process: Process): (Process | string)[] {
  const find = (selector: Parameters<ProcessTable["find"]>[0]) => {
    try {
      return table.findRetained(selector);
    } catch (error) {
      return Reflect.get(error as object, "code") as string;
    }
  };
  const { pid, processId, request } = process;
  return [
    find({ kind: "pid", pid }),
    find({ kind: "tag", tag: request.tag ?? "" }),
    find({ kind: "process_id", processId }),
  ];
}

test("an ended process is found with all its output among the retained ones, and not among the live ones", async () => {
  const table = createTable();
  const process = await run(table, "echo out; echo err >&2; exit 3", { tag: "mine" });
  expect(foundBy(table, process)).toEqual([process, process, process]);
  expect(await outputOf(process)).toMatchObject({
    stdout: "out\n",
    stderr: "err\n",
    end: { exitCode: 3 },
  });
  expect([table.list(), table.listEnded()]).toEqual([[], [process]]);
  expect(() => table.find({ kind: "pid", pid: process.pid })).toThrow(
    expect.objectContaining({ code: "not_found" }),
  );
  expect(() => table.find({ kind: "process_id", processId: process.processId })).toThrow(
    expect.objectContaining({ message: `no process with process_id "${process.processId}"` }),
  );
});

test("after its retention time a process is not found, in the order of the ends", async () => {
  const table = createTable({ retainEndedMs: 300 });
  const first = await run(table, "exit 0", { tag: "first" });
  const second = await run(table, "exit 0", { tag: "second" });
  const seen: Process[][] = [];
  await eventually(
    "both are forgotten",
    () => {
      const now = table.listEnded();
      if (now.length !== seen.at(-1)?.length) seen.push(now);
      return now.length === 0;
    },
    () => seen.length,
  );
  expect(foundBy(table, first)).toEqual(["not_found", "not_found", "not_found"]);
  expect(foundBy(table, second)).toEqual(["not_found", "not_found", "not_found"]);
  for (const retained of seen) expect([[first, second], [second], []]).toContainEqual(retained);
});

test("with a retention of 0 an ended process is not found", async () => {
  const table = createTable({ retainEndedMs: 0 });
  const process = await run(table, "exit 0", { tag: "short" });
  expect(foundBy(table, process)).toEqual(["not_found", "not_found", "not_found"]);
});

test("256 are retained, and of more the one that ended first is forgotten", async () => {
  const table = createTable();
  const ended: Process[] = [];
  for (let index = 0; index < 258; index++) {
    const process = await table.start(command("true"));
    await outputOf(process);
    ended.push(process);
  }
  expect(table.listEnded()).toEqual(ended.slice(2));
});

test("an end event is kept even if other processes leave much output", async () => {
  const memoryBudgetBytes = 4_000_000;
  const table = createTable({ memoryBudgetBytes });
  const ended: Process[] = [];
  for (let code = 0; code < 10; code++) ended.push(await run(table, `exit ${code}`));
  const output = { detached: "buffer", detachedBufferBytes: 3_000_000, replayBytes: 3_000_000 } as const;
  for (let index = 0; index < 4; index++)
    ended.push(await run(table, "head -c 2000000 /dev/zero", { output }));

  expect(table.listEnded()).toEqual(ended);
  expect(ended.slice(0, 10).map(({ output }) => output.end?.exitCode)).toEqual([
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
  ]);
  expect(table.memoryBudget.heldBytes).toBeLessThanOrEqual(memoryBudgetBytes);
});

test("an ended process keeps at most 4 KiB of its arguments and variables, and that is counted", async () => {
  const table = createTable();
  const before = table.memoryBudget.heldBytes;
  const args = Array.from({ length: 15 }, (_, index) => String(index).repeat(50_000));
  const environment = { LARGE: "x".repeat(100_000), SMALL: "y" };
  const process = await table.start(command("true", args, { environment, tag: "large" }));
  expect(process.request.args).toEqual(args);
  expect(table.memoryBudget.heldBytes - before).toBeGreaterThan(850_000);
  await outputOf(process);

  expect(JSON.stringify(process.request).length).toBeLessThan(5_000);
  expect(process.request).toMatchObject({ cmd: "true", tag: "large" });
  expect(process.request.args[0]).toMatch(/^0{4000}/);
  expect(process.request.args.at(-1)).toBe("... 14 more");
  expect(table.memoryBudget.heldBytes - before).toBeLessThan(10_000);
});

test("commands with 1.9 MB of arguments each are refused when the memory budget has no room for more", async () => {
  const table = createTable({ memoryBudgetBytes: 8_000_000 });
  const args = Array.from({ length: 19 }, () => "x".repeat(100_000));
  const started = await Promise.allSettled(
    Array.from({ length: 20 }, () => table.start(command("sleep", ["60", ...args]))),
  );
  const refused = started.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  expect(refused).toHaveLength(17);
  for (const reason of refused)
    expect(reason).toMatchObject({
      code: "resource_exhausted",
      message: expect.stringMatching(/^the memory budget has no room for a request of 19\d{5} bytes/),
    });
});

test("an id of an ended process with much environment still stands for the whole request", async () => {
  const table = createTable();
  const request = {
    ...command("true", [], { environment: { LARGE: "x".repeat(100_000) } }),
    startId: "one",
  };
  const process = await table.start(request);
  await outputOf(process);
  expect(await table.start(request)).toBe(process);
  await expect(
    table.start({ ...request, environment: { LARGE: "x".repeat(100_001) } }),
  ).rejects.toMatchObject({ code: "already_exists" });
});

test("a tag above 256 characters and a cwd above 4096 are invalid_argument", async () => {
  const table = createTable();
  for (const [name, limit] of [
    ["tag", 256],
    ["cwd", 4096],
  ] as const)
    await expect(table.start(command("true", [], { [name]: "x".repeat(limit + 1) }))).rejects.toMatchObject({
      code: "invalid_argument",
      message: `${name} has ${limit + 1} characters; the limit is ${limit}`,
    });
  expect((await run(table, "exit 0", { tag: "x".repeat(256) })).request.tag).toHaveLength(256);
});

test("256 emoji are 256 characters in a tag and in a start_id", async () => {
  const table = createTable();
  const emoji = "😀".repeat(256);
  expect((await run(table, "exit 0", { tag: emoji, startId: emoji })).request.tag).toBe(emoji);
  await expect(table.start(command("true", [], { tag: `${emoji}😀` }))).rejects.toMatchObject({
    message: "tag has 257 characters; the limit is 256",
  });
});

test("a live process shadows an ended one with its tag, and of ended ones the last to end is found", async () => {
  const table = createTable();
  const ended = await run(table, "exit 0", { tag: "same" });
  const live = await table.start({ ...command("cat"), tag: "same" });
  expect(foundBy(table, ended)).toEqual([ended, live, ended]);
  live.closeStdin();
  await outputOf(live);
  expect(foundBy(table, ended)).toEqual([ended, live, ended]);
});

test.runIf(canChoosePid())("a live process shadows an ended one that had its pid", async () => {
  const table = createTable();
  const ended = await run(table);
  const live = await startWithPid(ended.pid, () => table.start(command("cat")));
  expect(table.findRetained({ kind: "pid", pid: ended.pid })).toBe(live);
  expect(table.findRetained({ kind: "process_id", processId: ended.processId })).toBe(ended);
  live.closeStdin();
  await outputOf(live);
  expect(table.findRetained({ kind: "pid", pid: ended.pid })).toBe(live);
});

test("a start_id belongs to its process as long as that is retained, and is then free", async () => {
  const table = createTable({ retainEndedMs: 200 });
  const request = { ...script("echo once"), startId: "one" };
  const first = await table.start(request);
  expect(await table.start(request)).toBe(first);
  await outputOf(first);
  expect(await table.start(request)).toBe(first);
  await eventually(
    "it is forgotten",
    () => table.listEnded().length === 0,
    () => table.listEnded().length,
  );
  const second = await table.start(request);
  expect(second).not.toBe(first);
  expect((await outputOf(second)).stdout).toBe("once\n");
});

test("two starts with one start_id in one turn start one process, even while the user is looked up", async () => {
  const table = createTable();
  const request = { ...script("echo once"), user: "root", startId: "one" };
  const [one, other] = await Promise.all([table.start(request), table.start(request)]);
  expect(other).toBe(one);
  expect(table.list()).toEqual([one]);
  await outputOf(one);
});

test("a start_id used for a different request is already_exists; only the time limit may differ", async () => {
  const table = createTable();
  const request = { ...command("cat", ["-"]), startId: "one", timeoutMs: 60_000 };
  const process = await table.start(request);
  for (const other of [
    { cmd: "tac" },
    { args: ["-", "-"] },
    { environment: { A: "b" } },
    { cwd: "/" },
    { user: "root" },
    { tag: "t" },
    { stdio: { kind: "pipes", stdin: false } },
    { output: { detached: "ring" } },
    { retainEndedMs: 1 },
    { forgetDelivered: true },
    { group: "root" },
    { uid: 0 },
  ] as const)
    await expect(table.start({ ...request, ...other })).rejects.toMatchObject({
      code: "already_exists",
      message: 'start_id "one" was used to start something else',
    });
  expect(await table.start({ ...request, timeoutMs: 59_000 })).toBe(process);
  expect(table.list()).toEqual([process]);
});

test("a failed start leaves its start_id free", async () => {
  const table = createTable();
  const request = { ...script("exit 4"), startId: "one" };
  await expect(table.start({ ...request, cwd: "/nowhere" })).rejects.toMatchObject({
    code: "invalid_argument",
  });
  expect((await outputOf(await table.start(request))).end.exitCode).toBe(4);
});

test.each(["", "x".repeat(257)])(
  "a start_id of %j is invalid_argument and starts nothing",
  async (startId) => {
    const table = createTable();
    await expect(table.start({ ...command("true"), startId })).rejects.toMatchObject({
      code: "invalid_argument",
      message: `start_id has ${startId.length} characters, must have 1 to 256`,
    });
    expect(table.list()).toEqual([]);
  },
);

test("a process that asks for a longer time is retained while 300 others end and are forgotten", async () => {
  const table = createTable();
  const kept = await run(table, "echo kept; exit 7", { tag: "kept", retainEndedMs: 3_600_000 });
  for (let index = 0; index < 300; index++) await outputOf(await table.start(command("true")));
  expect(table.findRetained({ kind: "tag", tag: "kept" })).toBe(kept);
  expect(await outputOf(kept)).toMatchObject({ stdout: "kept\n", end: { exitCode: 7 } });
  expect(table.listEnded()).toHaveLength(257);
});

test("processes that ask for a longer time do not shorten the time of the others", async () => {
  const table = createTable();
  const ordinary = await run(table, "exit 0", { tag: "ordinary" });
  for (let index = 0; index < 258; index++)
    await outputOf(await table.start(command("true", [], { retainEndedMs: 3_600_000 })));
  expect(table.findRetained({ kind: "tag", tag: "ordinary" })).toBe(ordinary);
  expect(table.listEnded()).toHaveLength(257);
});

test("a process that asks for a shorter time is forgotten earlier than the others", async () => {
  const table = createTable();
  const ordinary = await run(table);
  const short = await run(table, "exit 0", { retainEndedMs: 0 });
  expect(foundBy(table, short)[2]).toBe("not_found");
  expect(table.listEnded()).toEqual([ordinary]);
});

test("a longer retention than the limit is invalid_argument, names the flag and starts nothing", async () => {
  const table = createTable({ limits: { maxRetainEndedMs: 5000 } });
  await expect(table.start(command("true", [], { retainEndedMs: 5001 }))).rejects.toMatchObject({
    code: "invalid_argument",
    message: "retain_ended_ms is 5001; the limit is 5000 (--max-retain-ended)",
  });
  expect(table.list()).toEqual([]);
  expect((await run(table, "exit 0", { retainEndedMs: 5000 })).output.end).toMatchObject({ exitCode: 0 });
});

function messageFor(table: ProcessTable, selector: Parameters<ProcessTable["find"]>[0]): string {
  try {
    table.findRetained(selector);
  } catch (error) {
    return Reflect.get(error as object, "message") as string;
  }
  return "found";
}

test("a client that comes too late learns when the process ended, how, and why its result is gone", async () => {
  const table = createTable();
  const { pid, processId } = await run(table, "exit 3", { tag: "late", retainEndedMs: 0 });
  const why = `process ${pid} ended 0 s ago (exit status 3), and its result was kept for 0 s (serve --retain-ended, run --retain)`;
  expect(messageFor(table, { kind: "tag", tag: "late" })).toBe(`no process with tag "late": ${why}`);
  expect(messageFor(table, { kind: "pid", pid })).toBe(`no process with pid ${pid}: ${why}`);
  expect(messageFor(table, { kind: "process_id", processId })).toBe(
    `no process with process_id "${processId}": ${why}`,
  );
  expect(messageFor(table, { kind: "tag", tag: "never" })).toBe('no process with tag "never"');
});

test("the reason of a process that made room for others is their number", async () => {
  const table = createTable();
  const first = await run(table, "exit 0", { tag: "first" });
  for (let index = 0; index < 256; index++) await outputOf(await table.start(command("true")));
  expect(messageFor(table, { kind: "process_id", processId: first.processId })).toMatch(
    /: process \d+ ended \d+ s ago \(exit status 0\), and the agent keeps the results of at most 256 processes$/,
  );
});

test("a process that asks for it is forgotten once a client has received its end, and not before", async () => {
  const table = createTable();
  const process = await run(table, "exit 0", { tag: "once", forgetDelivered: true });
  const other = await run(table, "exit 0", { tag: "other" });
  expect(table.listEnded()).toEqual([process, other]);
  table.endDelivered(other);
  table.endDelivered(process);
  expect(table.listEnded()).toEqual([other]);
  expect(messageFor(table, { kind: "tag", tag: "once" })).toMatch(
    /, and its result was delivered \(run --rm\)$/,
  );
});
