import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DetachKeyScanner, readDetachKeys } from "../../../src/cli/session/detach-keys.ts";

/** Scans pieces of typed input: what reaches the process, and whether the keys were found. */
function typed(keys: string, ...pieces: string[]) {
  const scanner = new DetachKeyScanner(readDetachKeys(keys));
  let input = "";
  for (const piece of pieces) {
    const found = scanner.scan(Buffer.from(piece, "latin1"));
    input += Buffer.from(found.input).toString("latin1");
    if (found.detach) return { input, detach: true };
  }
  return { input, detach: false, held: Buffer.from(scanner.release()).toString("latin1") };
}

describe("the names of the keys", () => {
  test.each([
    ["ctrl-p,ctrl-q", [0x10, 0x11]],
    ["ctrl-@", [0]],
    ["ctrl-],x", [0x1d, 0x78]],
    ["~,.", [0x7e, 0x2e]],
    ["none", []],
  ])("%s", (text, bytes) => {
    expect([...readDetachKeys(text).bytes]).toEqual(bytes);
  });

  test.each(["", "ctrl-", "ctrl-P", "ctrl-pq", "x,,y", "ü", "strg-c"])("%j is refused", (text) => {
    expect(() => readDetachKeys(text)).toThrow(InvalidArgumentError);
  });
});

describe("the typed keys", () => {
  test("are found in one piece and in many, and bytes after them are dropped", () => {
    expect(typed("a,b", "xxabyy")).toEqual({ input: "xx", detach: true });
    expect(typed("a,b", "x", "a", "b", "y")).toEqual({ input: "x", detach: true });
  });

  test("their beginning is held until the next byte decides", () => {
    expect(typed("a,b", "xa")).toEqual({ input: "x", detach: false, held: "a" });
    expect(typed("a,b", "xa", "c")).toEqual({ input: "xac", detach: false, held: "" });
    expect(typed("a,b", "a", "a", "b")).toEqual({ input: "a", detach: true });
    expect(typed("a,a,b", "aaab")).toEqual({ input: "a", detach: true });
  });

  test("none are never found", () => {
    expect(typed("none", "\u0010\u0011")).toEqual({ input: "\u0010\u0011", detach: false, held: "" });
  });

  test("are found exactly where a search in the whole input finds them", () => {
    const typing = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 5 }));
    fc.assert(
      fc.property(fc.constantFrom("a,b", "a,a,b", "a,b,a", "a,b,a,b,c"), typing, (keys, pieces) => {
        const all = pieces.join("");
        const at = all.indexOf(keys.replaceAll(",", ""));
        const { input, detach, held = "" } = typed(keys, ...pieces);
        expect({ detach, input: input + held }).toEqual({
          detach: at >= 0,
          input: at >= 0 ? all.slice(0, at) : all,
        });
      }),
    );
  });
});
