// Files with holes in archives that GNU tar made, in each of its formats.

import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { dataExtents } from "../../../src/linux/index.ts";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, messageIn } from "../../support/clients/file-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

vi.setConfig({ testTimeout: 60_000 });

/** By their options. GNU's own is the default of tar. */
const FORMATS: readonly [name: string, options: readonly string[]][] = [
  ["gnu", ["--format=gnu"]],
  ["oldgnu", ["--format=oldgnu"]],
  ["pax 0.0", ["--format=posix", "--sparse-version=0.0"]],
  ["pax 0.1", ["--format=posix", "--sparse-version=0.1"]],
  ["pax 1.0", ["--format=posix", "--sparse-version=1.0"]],
];

const MB = 1_048_576;
const GB = 1024 * MB;
const every = (count: number) => Array.from({ length: count }, (_, index) => (2 * index + 1) * 65_536);

/** Where each file has 5,000 bytes of data. */
const FILES = {
  "hole-before": { size: 10 * MB + 5_000, data: [10 * MB] },
  "hole-after": { size: 10 * MB, data: [0] },
  "holes-around": { size: 10 * MB + 17, data: [4 * MB, 6 * MB] },
  "hole-only": { size: 10 * MB, data: [] },
  "five-parts": { size: 10 * MB, data: every(5) },
  "many-parts": { size: 200 * MB, data: every(1_000) },
  "ten-gigabytes": { size: 10 * GB + 1, data: [0, 3 * GB, 9 * GB + 4_096] },
  [`a-name-${"that is longer than the field of a header ".repeat(4)}`]: { size: 3 * MB, data: [MB] },
};

function createSparse(path: string, { size, data }: { size: number; data: readonly number[] }): void {
  const file = openSync(path, "w");
  for (const at of data) writeSync(file, Buffer.alloc(5_000, `data at ${at} `), 0, 5_000, at);
  closeSync(file);
  truncateSync(path, size);
}

/** All data of a file. */
function contentOf(path: string): { readonly size: number; readonly parts: unknown } {
  const { size } = statSync(path);
  const file = openSync(path, "r");
  const extents = dataExtents(file, size, 10_000);
  if (!Array.isArray(extents)) throw new Error(`${path} has extents ${String(extents)}`);
  const parts = extents.map(({ start, end }) => {
    const bytes = Buffer.alloc(end - start);
    readSync(file, bytes, 0, bytes.length, start);
    return [start, bytes.toString("latin1")];
  });
  closeSync(file);
  return { size, parts };
}

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  const unpack = (path: string, body: Uint8Array) =>
    callFiles(agent.port, { method: "POST", query: { path, format: "tar" }, body });

  function tarOf(folder: string, options: readonly string[]): Buffer {
    return execFileSync("tar", ["--create", "--sparse", ...options, "--directory", folder, "."], {
      maxBuffer: GB,
    });
  }

  test.each(FORMATS)(
    "an archive of format %s has its files with the same data and holes",
    async (_, options) => {
      const source = createTempFolder();
      for (const [name, file] of Object.entries(FILES)) createSparse(join(source, name), file);
      execFileSync("sh", ["-c", 'echo plain > "$0/plain"', source]);
      const body = tarOf(source, options);
      expect(body.length).toBeLessThan(100 * MB);
      const target = createTempFolder();
      const answer = await unpack(target, body);
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
        200,
        expect.objectContaining({ files: Object.keys(FILES).length + 1, skipped: [] }),
      ]);
      for (const name of Object.keys(FILES))
        expect([name, contentOf(join(target, name))]).toEqual([name, contentOf(join(source, name))]);
      expect(readFileSync(join(target, "plain"), "utf8")).toBe("plain\n");
    },
  );

  test("a file of more parts than a map may have is refused with what to do", async () => {
    const source = createTempFolder();
    const file = openSync(join(source, "file"), "w");
    const page = Buffer.alloc(4096, "x");
    for (let index = 0; index < 65_537; index++) writeSync(file, page, 0, page.length, index * 8192);
    closeSync(file);
    truncateSync(join(source, "file"), 65_537 * 8192);
    const answer = await unpack(createTempFolder(), tarOf(source, ["--format=gnu"]));
    expect([answer.status, messageIn(answer)]).toEqual([
      400,
      expect.stringMatching(/"\.\/file".*more than 65536 parts; create the archive without --sparse/),
    ]);
  });

  test("a downloaded file of thousands of parts keeps its holes, also back again", async () => {
    const source = createTempFolder();
    createSparse(join(source, "file"), { size: GB, data: every(8_000) });
    const { body } = await callFiles(agent.port, { path: `/files?path=${source}&format=tar` });
    expect(body.length).toBeLessThan(100 * MB);
    const target = createTempFolder();
    expect((await unpack(target, body)).status).toBe(200);
    expect(contentOf(join(target, "file"))).toEqual(contentOf(join(source, "file")));
  });
});
