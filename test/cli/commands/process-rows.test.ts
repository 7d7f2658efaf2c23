import { expect, test } from "vitest";
import { toCells, toJson } from "../../../src/cli/commands/process-rows.ts";
import type { ProcessInfo } from "../../../src/client/index.ts";

const sleeping: ProcessInfo = {
  ...{ pid: 1, processId: "p", cmd: "sleep", args: [], env: {}, isPty: false },
  ...{ startedAt: new Date(0), offset: 0, subscribers: 0, heldBytes: 0, reading: true },
};

test.each([
  [-5, "0s"],
  [999, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [3_599_999, "59m"],
  [3_600_000, "1h"],
  [86_399_999, "23h"],
  [10 * 86_400_000, "10d"],
])("an age of %i ms is %s", (ms, text) => {
  expect(toCells(sleeping, ms)[4]).toBe(text);
});

test.each([
  [0, "0B"],
  [1023, "1023B"],
  [1024, "1KiB"],
  [1535, "1.4KiB"],
  [10 * 1024, "10KiB"],
  [1024 * 1024 - 1, "1023KiB"],
  [1.5 * 2 ** 30, "1.5GiB"],
  [5000 * 2 ** 40, "5000TiB"],
])("%i bytes are %s", (offset, text) => {
  expect(toCells({ ...sleeping, offset }, 0)[5]).toBe(text);
});

test.each([
  [["a", "b-c", "/d=e"], "sleep a b-c /d=e"],
  [["two words", "it's", ""], "sleep 'two words' 'it'\\''s' ''"],
])("arguments %j are shown as a shell would read them", (args, text) => {
  expect(toCells({ ...sleeping, args }, 0)[8]).toBe(text);
});

test("a process that is stuck in a write is blocked, with the time since", () => {
  const stuck = { ...sleeping, reading: false, blockedMs: 12_345 };
  expect(toCells(stuck, 0)[3]).toBe("blocked 12s");
  expect(toJson(stuck)).toMatchObject({ state: "blocked", blocked_ms: 12_345 });
});

test("the user is shown, and - for an agent that does not report it", () => {
  expect(toCells({ ...sleeping, user: "nobody" }, 0)[2]).toBe("nobody");
  expect(toCells(sleeping, 0)[2]).toBe("-");
});
