// The order of changes that List answers from, against a list of plain numbers.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ChangeMark, ChangeOrder, type ListedProcess } from "../../../src/process/table/change-order.ts";

const processOf = (pid: number): ListedProcess => ({ pid, processId: `id-${pid}`, request: { tag: "t" } });

test("a client that asks again and again receives each change once, the newest first, and no others", () => {
  const step = fc.oneof(
    fc.constant({ kind: "add" as const }),
    fc.record({ kind: fc.constantFrom("change" as const, "remove" as const), index: fc.nat({ max: 20 }) }),
    fc.record({ kind: fc.constant("ask" as const), client: fc.nat({ max: 2 }) }),
  );
  void fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const order = new ChangeOrder<ListedProcess>();
      const marks: ChangeMark<ListedProcess>[] = [];
      /** Of each client: what changed since it asked, and where it stands. */
      const clients = [0, 1, 2].map(() => ({ due: new Set<number>(), seenTo: 0 }));
      const note = (pid: number) => {
        for (const { due } of clients) {
          due.delete(pid);
          due.add(pid);
        }
      };
      const removed = new Set<number>();
      for (const made of steps) {
        if (made.kind === "add") {
          const process = processOf(marks.length);
          const mark = new ChangeMark(order, process, process);
          // Not listed yet: it reports nothing.
          mark.changed();
          marks.push(mark);
          order.add(mark);
          note(process.pid);
        } else if (made.kind === "ask") {
          const client = clients[made.client];
          if (client === undefined) continue;
          const changes = order.since(client.seenTo) ?? [];
          expect(new Set(changes.map(({ listed }) => listed.pid))).toEqual(client.due);
          expect(changes.length).toBe(client.due.size);
          for (const { listed, process } of changes)
            expect(process === undefined).toBe(removed.has(listed.pid));
          client.due.clear();
          client.seenTo = order.last;
        } else {
          const mark = marks[made.index];
          if (mark === undefined) continue;
          if (made.kind === "remove" && removed.has(made.index)) continue;
          if (made.kind === "remove") {
            order.remove(mark);
            removed.add(made.index);
            note(made.index);
          } else {
            mark.changed();
            if (!removed.has(made.index)) note(made.index);
          }
        }
      }
    }),
  );
});

test("a process that changes a million times between two questions is one change, at the front", () => {
  const order = new ChangeOrder<ListedProcess>();
  const marks = [1, 2, 3].map((pid) => new ChangeMark(order, processOf(pid), processOf(pid)));
  for (const mark of marks) order.add(mark);
  order.since(0);
  const before = order.last;
  for (let n = 0; n < 1_000_000; n++) marks[0]?.changed();
  expect(order.last).toBe(before + 1);
  expect(order.since(before)?.map(({ listed }) => listed.pid)).toEqual([1]);
  expect(order.since(0)?.map(({ listed }) => listed.pid)).toEqual([1, 3, 2]);
});

test("of many forgotten processes the newest are known, and a client that missed others is told", () => {
  const order = new ChangeOrder<ListedProcess>();
  const marks = Array.from(
    { length: 1100 },
    (_, pid) => new ChangeMark(order, processOf(pid), processOf(pid)),
  );
  for (const mark of marks) order.add(mark);
  const before = order.last;
  for (const mark of marks) order.remove(mark);
  expect(order.since(before)).toBeUndefined();
  const traces = order.since(order.last - 1024);
  expect(traces?.length).toBe(1024);
  expect(traces?.every(({ process }) => process === undefined)).toBe(true);
});
