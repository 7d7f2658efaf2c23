// What ListChanges answers from the order of a table: only what changed and is seen, and no number that tells of others.

import { expect, test } from "vitest";
import type { ChangeOrder as OrderOfProcesses, Process } from "../../src/process/index.ts";
import { ChangeMark, ChangeOrder, type ListedProcess } from "../../src/process/table/change-order.ts";
import { ListChanges } from "../../src/rpc/process/list-changes.ts";

class FakeTable {
  readonly order = new ChangeOrder<ListedProcess>();
  readonly marks: ChangeMark<ListedProcess>[] = [];
  generation = { id: "one" };

  start(count: number): void {
    for (let n = 0; n < count; n++) {
      const pid = this.marks.length;
      const process = { pid, processId: `id-${pid}`, request: { tag: pid % 2 === 0 ? "even" : "odd" } };
      const mark = new ChangeMark(this.order, process, process);
      this.marks.push(mark);
      this.order.add(mark);
    }
  }

  change(pid: number): void {
    this.marks[pid]?.changed();
  }

  remove(pid: number): void {
    const mark = this.marks[pid];
    if (mark !== undefined) this.order.remove(mark);
  }

  changesSeen(sees: (process: ListedProcess) => boolean = () => true): ListChanges {
    const order = this.order as unknown as OrderOfProcesses<Process>;
    return new ListChanges({ detectChanges: () => order, generation: this.generation as never }, sees);
  }
}

const pids = (answer: ReturnType<ListChanges["since"]>) => answer.changes?.map(({ listed }) => listed.pid);

test("of 1,000 processes an answer looks only at those that changed", () => {
  const table = new FakeTable();
  table.start(1000);
  let looks = 0;
  const changes = table.changesSeen(() => {
    looks++;
    return true;
  });
  const first = changes.since(0n);
  expect(first.changes).toBeUndefined();
  looks = 0;
  expect(changes.since(first.revision)).toEqual({ revision: first.revision, changes: [] });
  expect(looks).toBe(0);
  table.change(7);
  table.change(500);
  table.change(7);
  const second = changes.since(first.revision);
  expect(pids(second)).toEqual([500, 7]);
  expect(second.revision).toBe(first.revision + 1n);
  // The look that finds the revision is also the answer.
  expect(looks).toBe(2);
  table.change(7);
  expect(pids(changes.since(second.revision))).toEqual([7]);
  expect(pids(changes.since(first.revision))).toEqual([7, 500]);
});

test("changes of processes that a token does not see change neither its answer nor its revision", () => {
  const table = new FakeTable();
  table.start(10);
  const changes = table.changesSeen(({ request }) => request.tag === "even");
  const { revision } = changes.since(0n);
  table.change(1);
  table.remove(3);
  expect(changes.since(revision)).toEqual({ revision, changes: [] });
  table.change(4);
  table.remove(6);
  expect(pids(changes.since(revision))).toEqual([6, 4]);
});

test("a client that returns after thousands of answers receives what changed since, and perhaps a little more", () => {
  const table = new FakeTable();
  table.start(20);
  const changes = table.changesSeen();
  let { revision } = changes.since(0n);
  const known: bigint[] = [];
  for (let n = 0; n < 3000; n++) {
    // Process 0 changed before each of these, and never after.
    table.change(1 + (n % 3));
    ({ revision } = changes.since(revision));
    known.push(revision);
    if (n === 1500) table.change(9);
  }
  const returned = changes.since(known[1200] ?? 0n);
  expect(new Set(pids(returned))).toEqual(new Set([1, 2, 3, 9]));
  // A little before the change, and far after it.
  expect(pids(changes.since(known[1500] ?? 0n))).toContain(9);
  expect(pids(changes.since(known[2990] ?? 0n))).not.toContain(9);
});

test("a new generation of the machine knows no earlier revision", () => {
  const table = new FakeTable();
  table.start(3);
  const changes = table.changesSeen();
  const { revision } = changes.since(0n);
  table.generation.id = "two";
  const after = changes.since(revision);
  expect(after.changes).toBeUndefined();
  expect(changes.since(after.revision).changes).toEqual([]);
});
