// The small parts of the console that need no page.

import { expect, test } from "vitest";
import { joinWords, splitCommandLine } from "../../console/dashboard/command-line.ts";
import { Rates } from "../../console/dashboard/rates.ts";
import { readingOf, selectRows, stateOf } from "../../console/dashboard/rows.ts";
import { toStartRequest } from "../../console/dashboard/start-request.ts";
import { joinPath, parentOf } from "../../console/files/paths.ts";
import { LogLines } from "../../console/log/log-lines.ts";
import { matchActions } from "../../console/palette/match.ts";
import { formatRoute, parseLogin, parseRoute, type Route } from "../../console/session/route.ts";
import { clipboardText } from "../../console/terminal/clipboard-text.ts";
import { barKeyText, withHeld } from "../../console/terminal/key-text.ts";
import { parseCast, Recording, skipIdle } from "../../console/terminal/recording.ts";
import {
  fittingScreen,
  loadSnapshot,
  type Snapshot,
  storeSnapshot,
} from "../../console/terminal/snapshots.ts";
import { formatAge, formatBytes, plainLine } from "../../console/ui/format.ts";
import type { ProcessInfo } from "../../src/client/types.ts";

const words = (line: string) => {
  const split = splitCommandLine(line);
  return split.kind === "words" ? split.words : split;
};

test("a command line is split as a shell splits it", () => {
  expect(words(`ls -l  "a b" 'c"d' e\\ f ''`)).toEqual(["ls", "-l", "a b", 'c"d', "e f", ""]);
  expect(words(`"a\\"b\\n"`)).toEqual(['a"b\\n']);
  expect(words("echo 'x")).toEqual({ kind: "open", quote: "'" });
  expect(splitCommandLine("a | b")).toMatchObject({ needsShell: true });
  expect(splitCommandLine("a '|' b")).toMatchObject({ needsShell: false });
  const odd = ["it's", "", "a b", "-x=1", "$HOME"];
  expect(words(joinWords(odd))).toEqual(odd);
});

test("the address of a page is parsed to the same page", () => {
  const routes: Route[] = [
    { page: "processes" },
    { page: "start" },
    { page: "files", path: "/a b/ü#%" },
    {
      page: "panes",
      panes: [
        { processId: "a/b+c", mode: "watch" },
        { processId: "d", mode: "log" },
      ],
    },
  ];
  for (const route of routes) expect(parseRoute(formatRoute(route))).toEqual(route);
  expect(parseRoute("#/p/x:1")).toEqual({ page: "processes" });
  expect(parseRoute("#/files/%E0%A4%A")).toEqual({ page: "files", path: "%E0%A4%A" });
});

test("a login link brings its code and its process", () => {
  expect(parseLogin("#code=abc&process=a%2Fb&mode=watch")).toEqual({
    code: "abc",
    route: { page: "panes", panes: [{ processId: "a/b", mode: "watch" }] },
  });
  expect(parseLogin("#/p/c:1")).toBeUndefined();
});

test("sizes, ages and hostile lines are readable", () => {
  expect([0, 999, 1000, 99_949, 12_345_678].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "99.9 kB",
    "12.3 MB",
  ]);
  expect([5_000, 180_000, 18_720_000, 273_600_000].map(formatAge)).toEqual([
    "5 s",
    "3 min",
    "5 h 12 min",
    "3 d 4 h",
  ]);
  expect(plainLine("a\u202eb\x1b[c\n", 100)).toBe("a b [c ");
  expect(plainLine("a\u061cb\u2028c\u200bd\ufeffe")).toBe("a b c d e");
  expect(plainLine("abcdef", 4)).toBe("abc…");
});

test("the rate is that of the last polls, and a process that wrote nothing has no line", () => {
  const rates = new Rates();
  for (let second = 0; second <= 10; second++) {
    rates.add("a", 1000 * second, 1000 * second);
    rates.add("b", 5, 1000 * second);
  }
  expect(rates.now("a", 10_000)).toBe(1000);
  expect(rates.sparkline("a", 10_000, 60, 14)).toMatch(/^M/);
  expect(rates.sparkline("b", 10_000, 60, 14)).toBe("");
  rates.keep(new Set(["b"]));
  expect(rates.now("a", 10_000)).toBe(0);
});

const info = (change: Partial<ProcessInfo>): ProcessInfo => ({
  pid: 1,
  processId: "id",
  cmd: "sleep",
  args: [],
  env: {},
  isPty: false,
  startedAt: new Date(0),
  offset: 0,
  subscribers: 0,
  heldBytes: 0,
  reading: true,
  attachOffset: 0,
  ...change,
});

test("rows are filtered by all words and sorted by one column", () => {
  const all = [
    info({ pid: 3, cmd: "bash", tag: "x" }),
    info({ pid: 1, offset: 9 }),
    info({ pid: 2, offset: 99 }),
  ];
  const query = {
    shown: "live",
    filter: "",
    order: { key: "output", descending: true },
    rateOf: () => 0,
  } as const;
  expect(selectRows(all, query).map(({ pid }) => pid)).toEqual([2, 1, 3]);
  expect(selectRows(all, { ...query, filter: "BASH x" }).map(({ pid }) => pid)).toEqual([3]);
  expect(selectRows(all, { ...query, shown: "ended" })).toEqual([]);
});

test("a row says why its process waits", () => {
  expect(stateOf(info({ blockedMs: 4_200 }))).toEqual({ kind: "blocked", text: "blocked 4 s" });
  expect(readingOf(info({ reading: false, pausedReason: "slowClient", slowestOffset: 1_000 }))).toBe(
    "paused: the slowest client is at 1.0 kB",
  );
  expect(readingOf(info({ reading: false, pausedReason: "budget" }))).toContain("budget");
});

test("a start form with a wrong field names it and its value", () => {
  const fields = {
    line: "make 'all it'",
    inBash: false,
    user: "",
    cwd: "/src",
    environment: "A=1\nB=x=y",
    tag: "t",
    isPty: false,
    timeLimit: "1.5",
    detached: "ring",
  } as const;
  expect(toStartRequest(fields, "id")).toEqual({
    kind: "request",
    request: {
      cmd: "make",
      args: ["all it"],
      env: { A: "1", B: "x=y" },
      startId: "id",
      output: { detached: "ring" },
      stdin: true,
      cwd: "/src",
      tag: "t",
      timeoutMs: 1500,
    },
  });
  const problem = (change: object) => toStartRequest({ ...fields, ...change }, "id");
  expect(problem({ timeLimit: "-1" })).toMatchObject({
    field: "timeLimit",
    text: expect.stringContaining("“-1”"),
  });
  expect(problem({ environment: "A" })).toMatchObject({
    field: "environment",
    text: expect.stringContaining("“A”"),
  });
  expect(problem({ line: " " })).toMatchObject({ field: "line" });
});

test("a program can ask to copy at most 100 kB of text, and never to read", () => {
  expect(clipboardText(`c;${btoa("text")}`)).toBe("text");
  expect(clipboardText(`;${btoa("text")}`)).toBe("text");
  expect(clipboardText("c;?")).toBeUndefined();
  expect(clipboardText(`c;${btoa("\xff")}`)).toBeUndefined();
  expect(clipboardText(`c;${btoa("x".repeat(100_001))}`)).toBeUndefined();
});

test("the key bar types what a keyboard would", () => {
  const none = { ctrl: false, alt: false };
  expect(barKeyText("↑", false, none)).toBe("\x1b[A");
  expect(barKeyText("↑", true, none)).toBe("\x1bOA");
  expect(barKeyText("→", true, { ctrl: true, alt: false })).toBe("\x1b[1;5C");
  expect(withHeld("c", { ctrl: true, alt: false })).toBe("\x03");
  expect(withHeld("x", { ctrl: false, alt: true })).toBe("\x1bx");
});

test("a recording is read back as it was written, and its pauses can be skipped", () => {
  const recording = new Recording({ cols: 80, rows: 24, startedAtMs: 1_000, title: "t" });
  const euro = new TextEncoder().encode("€");
  recording.output(euro.subarray(0, 1), 1_500);
  recording.output(euro.subarray(1), 2_000);
  recording.resized(100, 30, 12_000);
  const cast = parseCast(recording.toString());
  expect(cast).toEqual({
    cols: 80,
    rows: 24,
    events: [
      { atMs: 1_000, kind: "o", text: "€" },
      { atMs: 11_000, kind: "r", text: "100x30" },
    ],
  });
  expect(skipIdle(cast.events, 2_000).map(({ atMs }) => atMs)).toEqual([1_000, 3_000]);
  expect(() => parseCast('{"version":1}')).toThrow("line 1");
  expect(() => parseCast('{"version":2,"width":1,"height":1}\nnot')).toThrow("line 2 is not JSON");
});

test("a snapshot replaces the oldest ones when the storage is full", () => {
  const values = new Map<string, string>();
  const storage = {
    get length() {
      return values.size;
    },
    key: (index: number) => [...values.keys()][index] ?? null,
    getItem: (key: string) => values.get(key) ?? null,
    removeItem: (key: string) => void values.delete(key),
    setItem: (key: string, value: string) => {
      if (!values.has(key) && values.size >= 2) throw new Error("full");
      values.set(key, value);
    },
  };
  const snapshot = (takenAtMs: number): Snapshot => ({
    offset: 1,
    cols: 80,
    rows: 24,
    screen: "x",
    takenAtMs,
  });
  for (const [index, id] of ["a", "b", "c"].entries())
    expect(storeSnapshot(storage, id, snapshot(index))).toBe(true);
  expect(loadSnapshot(storage, "a")).toBeUndefined();
  expect(loadSnapshot(storage, "c")?.takenAtMs).toBe(2);
  values.set("holdfast.screen.c", "{broken");
  expect(loadSnapshot(storage, "c")).toBeUndefined();
});

test("a screen that is too large keeps as much scrollback as fits", () => {
  expect(fittingScreen((lines) => "x".repeat(lines * 1_000), 5_000)).toHaveLength(625_000);
});

test("log lines carry offset and source, lose everything but colors, and continue after the other source", () => {
  const log = new LogLines();
  const event = (kind: "stdout" | "stderr", text: string, offset: number) =>
    log.take({ kind, data: new TextEncoder().encode(text), offset });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colors.
  const plain = (text: string) => text.replace(/\x1b\[\d*m/g, "");
  expect(plain(event("stdout", "a\x1b[2Jb\n", 0))).toBe("          0 o │ ab\r\n");
  expect(plain(event("stdout", "half", 7))).toBe("          7 o │ half");
  expect(plain(event("stderr", "bad\n", 11))).toBe("\r\n         11 e ┃ bad\r\n");
  expect(plain(log.take({ kind: "gap", from: 15, to: 2_015 }))).toBe(
    "         15 ── 2.0 kB not shown ──\r\n",
  );
  expect(event("stdout", "\x1b[31mred\n", 2_015)).toContain("\x1b[31mred");
});

test("paths are joined and shortened by names, and the palette finds words in any case", () => {
  expect(["/", "/a", "/a/b/", "~"].map(parentOf)).toEqual(["/", "/", "/a", "/"]);
  expect(joinPath("/a/", "b")).toBe("/a/b");
  const actions = ["New terminal", "Terminal: a", "Copy"].map((text) => ({ text }));
  expect(matchActions(actions, "term").map(({ text }) => text)).toEqual(["New terminal", "Terminal: a"]);
});
