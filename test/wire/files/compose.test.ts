// POST /files/compose: files that were uploaded in parallel become one.

import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, messageIn } from "../../support/clients/file-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  const compose = (body: unknown, headers: Record<string, string> = {}) =>
    callFiles(agent.port, { method: "POST", path: "/files/compose", body: JSON.stringify(body), headers });

  function parts(folder: string, contents: readonly string[]): string[] {
    return contents.map((content, index) => {
      const path = join(folder, `part-${index}`);
      writeFileSync(path, content);
      return path;
    });
  }

  test("sources become the destination in order, and are removed", async () => {
    const folder = createTempFolder();
    const sources = parts(folder, ["one ".repeat(300_000), "", "two", "three"]);
    const destination = join(folder, "new/whole");
    const answer = await compose({ source_paths: sources, destination });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body.toString())).toEqual({ path: destination, name: "whole", type: "file" });
    expect(readFileSync(destination, "utf8")).toBe(`${"one ".repeat(300_000)}twothree`);
    expect(readdirSync(folder)).toEqual(["new"]);
    expect(readdirSync(join(folder, "new"))).toEqual(["whole"]);
  });

  test("an existing destination keeps its mode and gets the metadata of the request (row 46)", async () => {
    const folder = createTempFolder();
    const destination = join(folder, "whole");
    writeFileSync(destination, "old");
    chmodSync(destination, 0o640);
    const answer = await compose(
      { source_paths: parts(folder, ["a", "b"]), destination },
      { "x-metadata-k": "v" },
    );
    expect(JSON.parse(answer.body.toString()).metadata).toEqual({ k: "v" });
    expect([readFileSync(destination, "utf8"), (statSync(destination).mode & 0o777).toString(8)]).toEqual([
      "ab",
      "640",
    ]);
  });

  test("a destination that is a source by any name is refused, and nothing is lost (row 19)", async () => {
    const folder = createTempFolder();
    const [source = "", other = ""] = parts(folder, ["a", "b"]);
    symlinkSync(folder, join(folder, "link"));
    linkSync(source, join(folder, "hard"));
    for (const destination of [
      source,
      source.replace("/part-0", "//part-0"),
      source.replace("/part-0", "/./part-0"),
      join(folder, "link/part-0"),
      join(folder, "hard"),
    ]) {
      const answer = await compose({ source_paths: [source, other], destination });
      expect([answer.status, messageIn(answer)]).toEqual([
        400,
        expect.stringContaining("destination and a source"),
      ]);
    }
    expect([readFileSync(source, "utf8"), readFileSync(other, "utf8")]).toEqual(["a", "b"]);
  });

  test("a source that is named twice is refused", async () => {
    const folder = createTempFolder();
    const [source = ""] = parts(folder, ["a"]);
    const answer = await compose({
      source_paths: [source, `${folder}/./part-0`],
      destination: join(folder, "x"),
    });
    expect([answer.status, messageIn(answer)]).toEqual([
      400,
      expect.stringContaining("name each source once"),
    ]);
    expect(existsSync(source)).toBe(true);
  });

  test("a missing source is 404, a directory 400, and a directory as destination 400", async () => {
    const folder = createTempFolder();
    const [source = ""] = parts(folder, ["a"]);
    mkdirSync(join(folder, "d"));
    const destination = join(folder, "x");
    expect((await compose({ source_paths: [source, join(folder, "none")], destination })).status).toBe(404);
    expect((await compose({ source_paths: [source, join(folder, "d")], destination })).status).toBe(400);
    expect((await compose({ source_paths: [source], destination: join(folder, "d") })).status).toBe(400);
    expect(readdirSync(folder).sort()).toEqual(["d", "part-0"]);
  });

  test.each([
    ["no sources", { source_paths: [], destination: "/tmp/x" }],
    ["no destination", { source_paths: ["/tmp/a"] }],
    ["sources that are no texts", { source_paths: [1], destination: "/tmp/x" }],
    ["no object", ["/tmp/a"]],
  ])("a body with %s is 400", async (_, body) => {
    expect((await compose(body)).status).toBe(400);
  });

  test("a body that is not JSON or not UTF-8 is 400", async () => {
    const post = (body: string | Uint8Array) =>
      callFiles(agent.port, { method: "POST", path: "/files/compose", body });
    expect((await post("{")).status).toBe(400);
    expect((await post(Buffer.from([0x22, 0xff, 0x22]))).status).toBe(400);
  });

  test("an unknown user is 401", async () => {
    expect(
      (await compose({ source_paths: ["/a"], destination: "/b", username: "no-such-user" })).status,
    ).toBe(401);
  });
});
