// Directories through the client, as archives.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { DirectoryProgress } from "../../../src/client/index.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { agentForFile } from "../file-agent.ts";
import { connectTo, httpVersions } from "../test-client.ts";
import { contentOf, digestOf, inPieces } from "./content.ts";

const agent = agentForFile();
let folder: string;
beforeEach(() => {
  folder = createTempFolder();
  mkdirSync(join(folder, "from/sub"), { recursive: true });
  writeFileSync(join(folder, "from/sub/large"), contentOf(3 * 1024 * 1024));
  writeFileSync(join(folder, "from/small"), "small");
  writeFileSync(join(folder, "from/left.tmp"), "");
});
const inFolder = (name: string) => join(folder, name);

describe.each(httpVersions)("over HTTP/%s", (httpVersion) => {
  test.each(["tar", "tar.gz"] as const)("a directory is copied to another one as %s", async (format) => {
    const { files } = connectTo(agent.url, { httpVersion });
    const progress: DirectoryProgress[] = [];
    const download = await files.downloadDirectory(inFolder("from"), { format, exclude: ["*.tmp"] });
    const result = await files.uploadDirectory(inFolder("to"), download, {
      format,
      onProgress: (step) => progress.push(step),
    });
    expect(result).toMatchObject({ path: inFolder("to"), files: 2, skipped: 0, skippedEntries: [] });
    expect(download.summary).toMatchObject({ files: 2, bytes: 3 * 1024 * 1024 + 5 });
    expect(progress.at(-1)?.bytes).toBeGreaterThan(1024 * 1024);
    expect(digestOf(readFileSync(inFolder("to/sub/large")))).toBe(
      digestOf(readFileSync(inFolder("from/sub/large"))),
    );
    expect(existsSync(inFolder("to/left.tmp"))).toBe(false);
  });

  test("a download names what it has not, with the reason", async () => {
    execFileSync("mkfifo", [inFolder("from/größe")]);
    const { files } = connectTo(agent.url, { httpVersion });
    const download = await files.downloadDirectory(inFolder("from"));
    await archiveOf(Promise.resolve(download));
    expect(download.summary).toMatchObject({
      ...{ files: 3, skipped: 1 },
      skippedEntries: [{ name: "größe", reason: "it is a FIFO" }],
    });
  });

  test.each(["rst", "fin"] as const)("an archive that is cut (%s) is an error", async (kind) => {
    const proxy = await startCuttingProxy({ port: agent.port, kinds: [kind] });
    const { files } = connectTo(proxy.url, { httpVersion });
    const download = await files.downloadDirectory(inFolder("from"));
    const pieces = download[Symbol.asyncIterator]();
    await pieces.next();
    proxy.cut(kind);
    const readOn = async () => {
      while ((await pieces.next()).done !== true);
    };
    await expect(readOn()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("an upload whose connection is lost is an error", async () => {
    const proxy = await startCuttingProxy({ port: agent.port, kinds: ["rst"] });
    const { files } = connectTo(proxy.url, { httpVersion });
    const archive = await archiveOf(files.downloadDirectory(inFolder("from")));
    async function* cut() {
      yield archive.subarray(0, 100_000);
      proxy.cut("rst");
      yield* inPieces(archive.subarray(100_000), 100_000);
    }
    await expect(files.uploadDirectory(inFolder("to"), cut())).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a link that leads out is refused with its name, or kept on request", async () => {
    const { files } = connectTo(agent.url, { httpVersion });
    symlinkSync("/etc/passwd", inFolder("from/out"));
    const archive = await archiveOf(files.downloadDirectory(inFolder("from")));
    await expect(files.uploadDirectory(inFolder("to"), archive)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("out"),
    });
    expect(await files.uploadDirectory(inFolder("kept"), archive, { links: "keep" })).toMatchObject({
      links: 1,
    });
    expect(await files.uploadDirectory(inFolder("left"), archive, { links: "skip" })).toMatchObject({
      skipped: 1,
      skippedEntries: [{ name: "out", reason: expect.any(String) }],
    });
  });
});

test("a directory that does not exist is not_found", async () => {
  await expect(connectTo(agent.url).files.downloadDirectory(inFolder("no"))).rejects.toMatchObject({
    code: "not_found",
  });
});

test("an error of the caller's archive is passed on", async () => {
  const { files } = connectTo(agent.url);
  async function* broken() {
    yield new Uint8Array(1024);
    throw new Error("the archive is gone");
  }
  await expect(files.uploadDirectory(inFolder("to"), broken())).rejects.toThrow("the archive is gone");
});

async function archiveOf(download: Promise<AsyncIterable<Uint8Array>>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of await download) pieces.push(piece);
  return Buffer.concat(pieces);
}
