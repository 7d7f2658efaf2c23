// Large messages that are complete at once are decoded one in each turn of the event loop (rule 15).

import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { turnFor } from "../../../src/rpc/body/large-messages.ts";

const MIB = 1024 * 1024;

test("a large message waits for the next turn if another one was decoded in this one; a small one does not", async () => {
  const decoded: string[] = [];
  for (const name of ["first", "second", "third"]) void turnFor(MIB)?.then(() => decoded.push(name));
  expect(turnFor(1000)).toBeUndefined();
  await Promise.resolve();
  expect(decoded).toEqual(["first"]);
  await turn();
  expect(decoded).toEqual(["first", "second"]);
  await turn();
  expect(decoded).toEqual(["first", "second", "third"]);
});
