// The commands' Headers behave as Node's do, for what the client does with them.
import { expect, test } from "vitest";
import { useLightHeaders } from "../../src/cli/connect/light-headers.ts";

const standard = globalThis.Headers;
useLightHeaders();
const light = globalThis.Headers;
globalThis.Headers = standard;

/** Everything that can be seen of headers. */
function seen(headers: Headers) {
  const each: [string, string][] = [];
  headers.forEach((value, name) => {
    each.push([name, value]);
  });
  return {
    each,
    entries: [...headers],
    keys: [...headers.keys()],
    values: [...headers.values()],
    cookies: headers.getSetCookie(),
    b: headers.get("B"),
    none: headers.get("none"),
    has: [headers.has("a"), headers.has("NONE")],
  };
}

test.each([
  ["nothing", undefined],
  ["an object", { B: " two ", a: "1" }],
  [
    "pairs",
    [
      ["b", "1"],
      ["B", "2"],
      ["Set-Cookie", "x=1"],
      ["set-cookie", "y=2"],
    ] as [string, string][],
  ],
  ["other headers", new standard({ a: "1", b: "2" })],
])("made from %s", (_, init) => {
  expect(seen(new light(init))).toEqual(seen(new standard(init)));
});

test("changed", () => {
  const change = (headers: Headers) => {
    headers.append("A", "1");
    headers.append("a", "2");
    headers.set("B", "old");
    headers.set("b", "new");
    headers.append("c", "gone");
    headers.delete("C");
    return seen(headers);
  };
  expect(change(new light())).toEqual(change(new standard()));
});

test("each loads from the other", () => {
  const headers = new light({ a: "1" });
  expect(seen(new standard(headers))).toEqual(seen(headers));
});
