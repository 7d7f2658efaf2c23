// Pages of foreign origins and signed URLs, in a real browser: the named file may be read and
// written, and nothing else.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { hasBrowser, visit } from "../../support/clients/browser.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

vi.setConfig({ testTimeout: 60_000 });

if (!hasBrowser)
  process.stderr.write(
    "SKIPPED: test/wire/files/foreign-pages.test.ts needs a browser (apt-get install chromium)\n",
  );

const TOKEN = "open-sesame";

function signature(path: string, operation: "read" | "write"): string {
  const hash = createHash("sha256").update(`${path}:${operation}::${TOKEN}`).digest("base64");
  return `v1_${hash.replace(/=+$/, "")}`;
}

const urlOf = (path: string, signed: string, more = "") =>
  `/files?${new URLSearchParams({ path, signature: signed })}${more}`;

describe.runIf(hasBrowser).each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  test("a page of a foreign origin uses signed URLs as they are signed, and nothing else", async () => {
    const agent = await startAgent({
      args: ["--file-access", mode],
      env: { HOLDFAST_ACCESS_TOKEN: TOKEN },
    });
    const folder = createTempFolder();
    const path = join(folder, "file");
    writeFileSync(path, "0123456789");
    const urls = {
      read: urlOf(path, signature(path, "read")),
      write: urlOf(path, signature(path, "write")),
      other: urlOf(join(folder, "other"), signature(path, "read")),
      user: urlOf(path, signature(path, "read"), "&username=nobody"),
    };
    const found = await visit({
      name: "evil.test",
      agentPort: agent.port,
      script: `
const urls = ${JSON.stringify(urls)};
const bytes = { method: "POST", headers: { "content-type": "application/octet-stream", "x-metadata-page": "yes" } };
const statusOf = (url, options) => fetch(agent + url, options).then((response) => response.status, (error) => error.name);
const read = await fetch(agent + urls.read);
const range = await fetch(agent + urls.read, { headers: { range: "bytes=2-4" } });
const head = await fetch(agent + urls.read, { method: "HEAD" });
const headers = ["content-length", "content-disposition", "etag"].map((name) => read.headers.get(name) !== null);
const text = await read.text();
report({
  text,
  headers,
  range: [range.status, range.headers.get("content-range"), await range.text()],
  head: [head.status, head.headers.get("content-length")],
  writeWithRead: await statusOf(urls.read, { ...bytes, body: "evil" }),
  readWithWrite: await statusOf(urls.write),
  other: await statusOf(urls.other),
  user: await statusOf(urls.user),
  list: await statusOf("/process.Process/List", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }),
  stat: await statusOf("/filesystem.Filesystem/Stat", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }),
  compose: await statusOf("/files/compose?" + urls.write.split("?")[1], { method: "POST", body: "{}" }),
  remove: await statusOf(urls.write, { method: "DELETE" }),
  written: await statusOf(urls.write, { ...bytes, body: "from the page" }),
});`,
    });
    // A refusal gives no permission to read it, so the page sees a network error.
    const refused = "TypeError";
    expect(found).toEqual({
      text: "0123456789",
      headers: [true, true, true],
      range: [206, "bytes 2-4/10", "234"],
      head: [200, "10"],
      writeWithRead: refused,
      readWithWrite: refused,
      other: refused,
      user: refused,
      list: refused,
      stat: refused,
      compose: refused,
      remove: refused,
      written: 200,
    });
    expect(readFileSync(path, "utf8")).toBe("from the page");
  });
});
