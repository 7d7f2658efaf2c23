// docs/client.md shows each example file unchanged, with its output. UPDATE_DOCS=1 rewrites the
// page instead.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { agentForFile } from "./file-agent.ts";

const root = join(import.meta.dirname, "../..");
const page = join(root, "docs/client.md");
const run = promisify(execFile);
const agent = agentForFile();

const text = readFileSync(page, "utf8");
const example = /<!-- (examples\/[\w-]+\.mjs) -->\n```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/g;
const examples = [...text.matchAll(example)].map(([, file = "", code = "", output = ""]) => ({
  file,
  code,
  output,
}));
const found = new Map<string, string>();

test("the page shows more than four examples", () => {
  expect(examples.length).toBeGreaterThan(4);
});

test.each(examples)(
  "$file is shown unchanged, with the output that it prints",
  async ({ file, code, output }) => {
    const path = join(root, file);
    const { stdout } = await run(process.execPath, [path], {
      env: { ...process.env, HOLDFAST_URL: agent.url },
    });
    const source = readFileSync(path, "utf8");
    found.set(file, `<!-- ${file} -->\n\`\`\`js\n${source}\`\`\`\n\n\`\`\`text\n${stdout}\`\`\``);
    if (process.env["UPDATE_DOCS"] === undefined)
      expect({ code, output }).toEqual({ code: source, output: stdout });
  },
);

afterAll(() => {
  if (process.env["UPDATE_DOCS"] !== undefined)
    writeFileSync(
      page,
      text.replace(example, (shown, file: string) => found.get(file) ?? shown),
    );
});
