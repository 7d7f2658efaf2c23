// Long runs of blanks are cut out of large JSON messages, and nothing else: what it says stays the same.

import { expect, test } from "vitest";
import { LEAST_RUN_BYTES, withoutLongBlanks } from "../../../src/rpc/protocol/json-blanks.ts";
import { strictTextDecoder } from "../../../src/rpc/protocol/json-text.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const long = " ".repeat(LEAST_RUN_BYTES);
const cut = (text: string) => withoutLongBlanks(Buffer.from(text)).toString();

test.each([
  ["between braces", `{${long}}`, "{ }"],
  ["of all four kinds", `{${"\t\r\n ".repeat(LEAST_RUN_BYTES)}"a"${long}:${long}1}`, '{\t"a" : 1}'],
  ["before and behind the message", `${long}[1]${long}`, " [1] "],
  ["between numbers, which stay apart", `[1${long}2]`, "[1 2]"],
  ["behind a string with escapes", `["\\\\",${long}"\\"",${long}1]`, '["\\\\", "\\"", 1]'],
  ["nothing but blanks", long, " "],
])("a long run is one blank: %s", (_, text, expected) => {
  expect(cut(text)).toBe(expected);
});

test.each([
  ["a short run", `{${long.slice(1)}}`],
  ["within a string", `{"a":"${long}"}`],
  ["within a string that does not end", `{"a":"${long}`],
  ["behind a string with many escaped quotes", `{"a":"${'\\"'.repeat(100)}"${long}}`],
  ["other white space", `{${"\u00a0".repeat(LEAST_RUN_BYTES)}}`],
  ["no bytes", ""],
])("is left as it is: %s", (_, text) => {
  expect(cut(text)).toBe(text);
});

test("what a message says is the same without them, for random messages", () => {
  const random = seededRandom(7);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  for (let i = 0; i < 3000; i++) {
    const blanks = () => " \n\t\r".charAt(Math.floor(random() * 4)).repeat(Math.floor(random() * 260));
    const string = () =>
      `"${Array.from({ length: 5 }, () => pick(["a", '\\"', "\\\\", blanks().replace(/[\n\t\r]/g, " "), "é"])).join("")}"`;
    const value = (depth: number): string => {
      const kind = depth > 3 ? 0 : Math.floor(random() * 4);
      const inner = () => `${blanks()}${value(depth + 1)}${blanks()}`;
      if (kind === 1) return `[${inner()},${inner()}]`;
      if (kind === 2) return `{${blanks()}${string()}${blanks()}:${inner()}}`;
      return kind === 3 ? string() : pick(["1", "-2.5e3", "true", "null"]);
    };
    const text = `${blanks()}${value(0)}${blanks()}`;
    expect(JSON.parse(cut(text))).toEqual(JSON.parse(text));
    const broken = text.slice(0, Math.floor(random() * text.length));
    expect(isJson(cut(broken))).toBe(isJson(broken));
  }
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test("16 MiB of blanks become a short text", () => {
  const bytes = new Uint8Array(16 * 2 ** 20).fill(0x20);
  bytes[0] = 0x7b;
  bytes[bytes.length - 1] = 0x7d;
  expect(strictTextDecoder.decode(bytes)).toBe("{ }");
  expect(bytes.length).toBe(0);
});
