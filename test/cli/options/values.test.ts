import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import {
  readDurationMs,
  readHost,
  readOffset,
  readPort,
  readUrl,
  readVariable,
} from "../../../src/cli/options/values.ts";

describe("a duration", () => {
  test.each([
    ["0", 0],
    ["0ms", 0],
    ["200ms", 200],
    ["1.5s", 1_500],
    ["10s", 10_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["576h", 2_073_600_000],
  ])("%s is %i ms", (text, expected) => {
    expect(readDurationMs(text)).toBe(expected);
  });

  test.each([
    "",
    "5",
    "-1s",
    "s",
    "1 s",
    "1d",
    "1e3ms",
    "١s",
    "0x10ms",
    "1s2m",
    ".5s",
    "Infinitys",
    "577h",
    `${"9".repeat(400)}h`,
  ])("%j is refused", (text) => {
    expect(() => readDurationMs(text)).toThrow(InvalidArgumentError);
  });
});

describe("a port", () => {
  test.each([
    ["0", 0],
    ["80", 80],
    ["65535", 65_535],
  ])("%s is %i", (text, expected) => {
    expect(readPort(text)).toBe(expected);
  });

  test.each(["", "65536", "-1", "1.5", "0x50", "http", " 80", "999999999999"])("%j is refused", (text) => {
    expect(() => readPort(text)).toThrow(InvalidArgumentError);
  });
});

describe("a host", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["localhost", "localhost"],
    ["my_box.example.org", "my_box.example.org"],
    ["::1", "::1"],
    ["[::1]", "::1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
  ])("%s is %s", (text, expected) => {
    expect(readHost(text)).toBe(expected);
  });

  test.each(["", "http://localhost", "127.0.0.1:80", "a b", "[localhost:80]", "::1::"])(
    "%j is refused",
    (text) => {
      expect(() => readHost(text)).toThrow(InvalidArgumentError);
    },
  );
});

describe("an agent's URL", () => {
  test.each([
    ["http://127.0.0.1:49983", "http://127.0.0.1:49983"],
    ["https://box.example.org/", "https://box.example.org"],
    ["HTTPS://Box.example.org", "https://Box.example.org"],
    ["http://[::1]:1/behind/a/proxy/", "http://[::1]:1/behind/a/proxy"],
  ])("%s is %s", (text, expected) => {
    expect(readUrl(text)).toBe(expected);
  });

  test.each([
    ...["", "http://", "ftp://localhost", "unix:run/x", "localhost:99999"],
    ...["http://user:secret@localhost", "http://localhost?a=b", "http://localhost#a"],
    ...["http://localhost/?", "http://localhost/#", "http://localhost ", "http://local\nhost"],
  ])("%j is refused", (text) => {
    expect(() => readUrl(text)).toThrow(InvalidArgumentError);
  });
});

test("a Unix socket whose path is too long is refused with its length", () => {
  expect(() => readUrl(`unix:/${"x".repeat(107)}`)).toThrow("The path has 108 bytes; Linux takes 107.");
});

describe("an offset", () => {
  test.each([
    ["0", 0],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("%s is %i", (text, expected) => {
    expect(readOffset(text)).toBe(expected);
  });

  test.each(["", "-1", "1.5", "0x1", "9007199254740992", "end"])("%j is refused", (text) => {
    expect(() => readOffset(text)).toThrow(InvalidArgumentError);
  });
});

describe("variables", () => {
  const read = readVariable({ HERE: "here", EMPTY: "" });

  test.each([
    ["A=1", { A: "1" }],
    ["A=b=c\nd", { A: "b=c\nd" }],
    ["A=", { A: "" }],
    ["HERE", { HERE: "here" }],
    ["EMPTY", { EMPTY: "" }],
    ["NOT_HERE", {}],
    ["toString", {}],
  ])("%j sets %j", (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test("are collected, and a later one wins", () => {
    expect(read("A=3", read("B=2", read("A=1")))).toEqual({ A: "3", B: "2" });
  });

  test.each(["", "=value"])("%j is refused", (text) => {
    expect(() => read(text)).toThrow(InvalidArgumentError);
  });
});
