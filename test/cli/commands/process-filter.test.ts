// `--filter` of `holdfast ps`.
import { expect, test } from "vitest";
import { isMatch, readFilter, wantsEnded } from "../../../src/cli/commands/process-filter.ts";
import type { ProcessInfo } from "../../../src/client/index.ts";

const exit = { exitCode: 3, exited: true, status: "exit status 3", timedOut: false, offset: 0 };
const build: ProcessInfo = {
  ...{ pid: 7, processId: "abc-def", tag: "build-1", cmd: "make", args: ["all"], env: {}, isPty: false },
  ...{ startedAt: new Date(0), offset: 0, subscribers: 0, heldBytes: 0, reading: true, user: "nobody" },
};
const ended: ProcessInfo = { ...build, exit };
const killed: ProcessInfo = { ...build, exit: { ...exit, exited: false, exitCode: -1, signal: "SIGKILL" } };
const blocked: ProcessInfo = { ...build, reading: false, blockedMs: 5 };

const filters = (...texts: readonly string[]) =>
  texts.reduce<ReturnType<typeof readFilter>>((all, text) => readFilter(text, all), []);

test.each([
  ["tag=build", build, true],
  ["name=uild", build, true],
  ["tag=test", build, false],
  ["user=nobody", build, true],
  ["user=no", build, false],
  ["pid=7", build, true],
  ["pid=77", build, false],
  ["id=abc", build, true],
  ["command=make all", build, true],
  ["status=running", build, true],
  ["status=running", blocked, true],
  ["status=blocked", blocked, true],
  ["status=blocked", build, false],
  ["status=exited", ended, true],
  ["status=exited", killed, false],
  ["status=killed", killed, true],
  ["status=ended", ended, true],
  ["exited=3", ended, true],
  ["exited=0", ended, false],
])("%s of this process is %#", (text, info, expected) => {
  expect(isMatch(info, filters(text))).toBe(expected);
});

test("values of one key are alternatives, and every key must match", () => {
  expect(isMatch(build, filters("tag=x", "tag=build"))).toBe(true);
  expect(isMatch(build, filters("tag=build", "user=root"))).toBe(false);
  expect(isMatch(build, [])).toBe(true);
});

test("a filter for ended processes lists them without --all", () => {
  expect(wantsEnded(filters("status=exited"))).toBe(true);
  expect(wantsEnded(filters("exited=0"))).toBe(true);
  expect(wantsEnded(filters("status=running", "tag=x"))).toBe(false);
});

test.each([
  ["tag", "A filter is KEY=VALUE"],
  ["colour=red", "the keys are tag, name, status"],
  ["status=done", "The status is one of running, unread, blocked, exited, killed, ended."],
  ["pid=x", "The value of pid is a whole number."],
])("the filter %s is refused: %s", (text, message) => {
  expect(() => readFilter(text)).toThrow(message);
});
