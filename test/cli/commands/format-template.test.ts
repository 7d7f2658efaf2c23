// `--format`, as docker's users type it.
import { expect, test } from "vitest";
import { applyTemplate, readFormat } from "../../../src/cli/commands/format-template.ts";

const read = readFormat(["Pid", "Tag"], ["table", "json"]);
const rows = [
  { ".": { pid: 1 }, Pid: 1, Tag: "a" },
  { ".": { pid: 20 }, Pid: 20, Tag: "" },
];

function lines(text: string): string[] {
  const format = read(text);
  if (format.kind !== "template") throw new Error(`${text} is no template`);
  return applyTemplate(format, rows);
}

test.each([
  ["{{.Pid}}", ["1", "20"]],
  ["{{.Pid}}\\t{{ .Tag }}", ["1\ta", "20\t"]],
  ["{{upper .Tag}}/{{.Pid}}", ["A/1", "/20"]],
  ["{{json .}}", ['{"pid":1}', '{"pid":20}']],
  ["{{json .Tag}}", ['"a"', '""']],
  ["table {{.Pid}}\\t{{.Tag}}", ["PID   TAG", "1     a", "20"]],
])("%s prints %j", (text, expected) => {
  expect(lines(text)).toEqual(expected);
});

test("a tag with line breaks and terminal codes stays one line without them", () => {
  const format = read("{{.Tag}} {{json .Tag}}");
  if (format.kind !== "template") throw new Error("no template");
  expect(applyTemplate(format, [{ Tag: "a\n\u001b[31mb" }])).toEqual(['a [31mb "a\\n\\u001b[31mb"']);
});

test("table and json are themselves", () => {
  expect([read("table"), read("json")]).toEqual([{ kind: "table" }, { kind: "json" }]);
});

test.each([
  ["{{.Image}}", "There is no field .Image; the fields are .Pid, .Tag."],
  ["{{range .}}", "{{range .}} is not understood"],
  ["{{.}}", "{{.}} is not understood"],
  ["wide", "A format is table, json, or a template such as '{{.Pid}} {{.Tag}}'."],
])("%s is refused: %s", (text, message) => {
  expect(() => read(text)).toThrow(message);
});
