import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Due, DueList } from "../../../src/process/table/due-list.ts";

test("the list is always in the order of the times, and of the additions at one time", () => {
  const change = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ remove: fc.nat({ max: 30 }) }),
    fc.constant("removeFirst" as const),
  );
  void fc.assert(
    fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
      const list = new DueList<Due>();
      const model: Due[] = [];
      for (const made of changes) {
        if (made === "removeFirst") {
          const { first } = list;
          if (first !== undefined) list.remove(first);
          model.shift();
        } else if ("add" in made) {
          const item = { untilMs: made.add };
          list.add(item);
          model.push(item);
          model.sort((one, other) => one.untilMs - other.untilMs);
        } else {
          const item = model[made.remove] ?? { untilMs: 5 };
          list.remove(item);
          if (model.includes(item)) model.splice(model.indexOf(item), 1);
        }
        expect(list.size).toBe(model.length);
        expect(list.first).toBe(model[0]);
      }
    }),
  );
});
