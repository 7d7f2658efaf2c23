// Finding running processes: by pid, by tag, and all of them.

import { expect, test } from "vitest";
import { collectOutput, outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, script } from "../../support/clients/start-requests.ts";

test("processes are found by pid and listed oldest first, with their requests, until they end", async () => {
  const table = createTable();
  const requests = ["one", "two"].map((word) => script(`read -r line; echo ${word}`));
  const [first, second] = await Promise.all(requests.map((request) => table.start(request)));
  if (first === undefined || second === undefined) throw new Error("not started");
  expect(table.list()).toEqual([first, second]);
  expect([first.request, second.request]).toEqual(requests);
  expect(first.processId).not.toBe(second.processId);
  for (const process of [first, second]) expect(table.find({ kind: "pid", pid: process.pid })).toBe(process);

  first.closeStdin();
  await outputOf(first);
  expect(table.list()).toEqual([second]);
});

test("a tag selects the newest running process that carries it", async () => {
  const table = createTable();
  const older = await table.start(command("cat", [], { tag: "same" }));
  const newer = await table.start(command("cat", [], { tag: "same" }));
  await table.start(command("cat", [], { tag: "other" }));
  await table.start(command("cat"));
  const find = () => table.find({ kind: "tag", tag: "same" });

  expect(find()).toBe(newer);
  for (const process of [newer, older]) {
    expect(find()).toBe(process);
    process.closeStdin();
    await outputOf(process);
  }
  expect(find).toThrow(expect.objectContaining({ code: "not_found", message: `no process with tag "same"` }));
});

test("starts at once that are not finished count for the limit of processes", async () => {
  const table = createTable({ limits: { maxProcesses: 4 } });
  // The launcher looks for it, because of the first entry: that takes more than one turn.
  const request = command("cat", [], { environment: { PATH: ".:/usr/bin:/bin" } });
  await Promise.all([1, 2, 3].map(() => table.start(request)));
  const results = await Promise.allSettled([1, 2, 3].map(() => table.start(request)));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(results[1]).toMatchObject({ reason: { code: "resource_exhausted" } });
  expect(table.list()).toHaveLength(4);
});

test("a subscriber that receives the end does not find the process among the live ones", async () => {
  const table = createTable();
  const process = await table.start(command("cat"));
  let listed: number | undefined;
  const subscriber = process.output.fork({
    onReadable: () => {
      if (process.output.end !== undefined) listed = table.list().length;
    },
  });
  // It waits from now on.
  subscriber.read();
  const output = collectOutput(process);
  process.closeStdin();
  await output.end();

  expect(listed).toBe(0);
  subscriber.detach();
});
