// Contents of files through the client: whole, as streams, and over connections that break.

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ClientError, FileChangedError, type TransferProgress } from "../../../src/client/index.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { startRelay } from "../../support/network/relay.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { agentForFile } from "../file-agent.ts";
import { connectTo, httpVersions } from "../test-client.ts";
import { contentOf, digestOf, inPieces } from "./content.ts";

const agent = agentForFile();
const MIB = 1024 * 1024;
let path: string;
beforeEach(() => {
  path = join(createTempFolder(), "file");
});

describe.each(httpVersions)("over HTTP/%s", (httpVersion) => {
  const connect = (url = agent.url) => connectTo(url, { httpVersion });

  test("written text and bytes are read as they were", async () => {
    const { files } = connect();
    expect(await files.write(path, "grüße\n")).toMatchObject({ path, name: "file", size: 8 });
    expect(await files.readText(path)).toBe("grüße\n");
    await files.write(path, Uint8Array.of(0, 255, 10));
    expect([...(await files.read(path))]).toEqual([0, 255, 10]);
  });

  test("an empty file is written and read", async () => {
    const { files } = connect();
    await files.write(path, "");
    expect(statSync(path).size).toBe(0);
    expect(await files.readText(path)).toBe("");
  });

  test("a stream of many parts arrives as it is, and progress grows to its size", async () => {
    const content = contentOf(9 * MIB + 3);
    const progress: TransferProgress[] = [];
    const { files } = connect();
    const stored = await files.upload(path, inPieces(content, 100_001), {
      totalBytes: content.length,
      onProgress: (step) => progress.push(step),
    });
    expect(stored.size).toBe(content.length);
    expect(digestOf(readFileSync(path))).toBe(digestOf(content));
    expect(progress.at(-1)).toEqual({ transferredBytes: content.length, totalBytes: content.length });
    const steps = progress.map(({ transferredBytes }) => transferredBytes);
    expect(steps).toEqual([...new Set(steps)].sort((one, other) => one - other));
    expect(steps.length).toBeGreaterThan(2);
  });

  test("a part that changes on its way is refused by its digest, and sent again", async () => {
    const content = contentOf(3 * MIB);
    const marker = content.subarray(2 * MIB, 2 * MIB + 16);
    let changed = 0;
    const url = await startRelay(agent.port, {
      fromClient: (data) => {
        const at = changed === 0 ? data.indexOf(marker) : -1;
        if (at < 0) return data;
        changed++;
        const other = Buffer.from(data);
        other.writeUInt8(other.readUInt8(at) ^ 1, at);
        return other;
      },
    });
    const reasons: string[] = [];
    await connect(url).files.upload(path, content, {
      onReconnect: ({ reason }) => reasons.push(reason.message),
    });
    expect(digestOf(readFileSync(path))).toBe(digestOf(content));
    expect([changed, reasons]).toEqual([1, [expect.stringContaining("a part changed on its way")]]);
  });

  test("a download reports size, version and progress", async () => {
    const content = contentOf(3 * MIB);
    writeFileSync(path, content);
    const progress: TransferProgress[] = [];
    const download = await connect().files.download(path, { onProgress: (step) => progress.push(step) });
    expect(download.size).toBe(content.length);
    expect(download.etag).toMatch(/^".+"$/);
    expect(download.modifiedAt?.getTime()).toBe(Math.floor(statSync(path).mtimeMs / 1000) * 1000);
    expect(digestOf(await download.bytes())).toBe(digestOf(content));
    expect(progress.at(-1)).toEqual({ transferredBytes: content.length, totalBytes: content.length });
  });

  test("a download that is cut again and again continues at the same byte", async () => {
    const content = contentOf(6 * MIB);
    writeFileSync(path, content);
    const proxy = await startCuttingProxy({
      port: agent.port,
      afterBytes: { min: 20_000, max: 900_000 },
      kinds: ["rst", "fin"],
    });
    const download = await connect(proxy.url).files.download(path);
    expect(digestOf(await download.bytes())).toBe(digestOf(content));
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(4);
  });

  test("an upload of a stream that is cut again and again is stored once", async () => {
    const content = contentOf(6 * MIB);
    const proxy = await startCuttingProxy({
      port: agent.port,
      afterBytes: { min: 5000, max: 900_000 },
      kinds: ["rst", "fin"],
    });
    // Stored twice, the second time would find the file.
    const stored = await connect(proxy.url).files.upload(path, inPieces(content, 70_000), { ifAbsent: true });
    expect(stored.size).toBe(content.length);
    expect(digestOf(readFileSync(path))).toBe(digestOf(content));
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(4);
  });

  test("transfers continue after silence on the network", async () => {
    const content = contentOf(2 * MIB);
    const proxy = await startCuttingProxy({
      port: agent.port,
      afterBytes: { min: 300_000, max: 300_000 },
      kinds: ["silent"],
      maxCuts: 2,
    });
    const { files } = connect(proxy.url);
    await files.upload(path, inPieces(content, 70_000), { ifAbsent: true });
    expect(digestOf(await files.read(path))).toBe(digestOf(content));
    expect(proxy.cuts.silent).toBe(2);
  }, 30_000);

  test("a file that changes while its download is cut is an error, not a mixture", async () => {
    writeFileSync(path, contentOf(4 * MIB));
    const proxy = await startCuttingProxy({ port: agent.port, kinds: ["rst"] });
    const download = await connect(proxy.url).files.download(path);
    const pieces = download[Symbol.asyncIterator]();
    await pieces.next();
    writeFileSync(path, contentOf(4 * MIB).reverse());
    proxy.cut("rst");
    const readOn = async () => {
      while ((await pieces.next()).done !== true);
    };
    const error = await readOn().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(FileChangedError);
    expect(error).toMatchObject({ path, code: "failed_precondition" });
  });

  test("an aborted download and upload reject with the reason, and the upload leaves nothing", async () => {
    const { files } = connect();
    const abort = new AbortController();
    const reason = new Error("enough");
    async function* endless() {
      for (;;) {
        yield contentOf(64 * 1024);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const onProgress = () => abort.abort(reason);
    await expect(files.upload(path, endless(), { signal: abort.signal, onProgress })).rejects.toBe(reason);
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, contentOf(4 * MIB));
    const again = new AbortController();
    const download = await files.download(path, {
      signal: again.signal,
      onProgress: () => again.abort(reason),
    });
    await expect(download.bytes()).rejects.toBe(reason);
  });

  test("a version that is not the expected one is refused both ways", async () => {
    const { files } = connect();
    const { etag } = await files.write(path, "one");
    expect(await files.readText(path, { ifMatch: etag })).toBe("one");
    await files.write(path, "two, from elsewhere");
    await expect(files.read(path, { ifMatch: etag })).rejects.toThrow(FileChangedError);
    await expect(files.write(path, "three", { ifMatch: etag })).rejects.toThrow(FileChangedError);
    await expect(files.write(path, "three", { ifAbsent: true })).rejects.toMatchObject({
      code: "already_exists",
    });
    expect(readFileSync(path, "utf8")).toBe("two, from elsewhere");
  });

  test("a part of a file is read by offset and length", async () => {
    writeFileSync(path, "0123456789");
    const { files } = connect();
    expect(await files.readText(path, { offset: 3 })).toBe("3456789");
    expect(await files.readText(path, { offset: 3, length: 4 })).toBe("3456");
    await expect(files.read(path, { offset: 10 })).rejects.toMatchObject({ code: "out_of_range" });
    await expect(files.read(path, { offset: -1 })).rejects.toThrow("offset is -1");
    await expect(files.read(path, { length: 0 })).rejects.toThrow("length is 0");
  });

  test("a download that is read partly can be canceled, and is read once only", async () => {
    writeFileSync(path, contentOf(MIB));
    const { files } = connect();
    const download = await files.download(path);
    for await (const _ of download) break;
    expect(() => download[Symbol.asyncIterator]()).toThrow("read already");
    const other = await files.download(path);
    other.cancel();
    await expect(other.bytes()).rejects.toMatchObject({ code: "canceled" });
  });
});

test("web streams can be uploaded, and downloads are web streams", async () => {
  const { files } = connectTo(agent.url);
  const content = contentOf(MIB + 1);
  await files.upload(path, new Blob([content]).stream());
  const copy = `${path}-copy`;
  await files.upload(copy, (await files.download(path)).stream());
  expect(digestOf(readFileSync(copy))).toBe(digestOf(content));
});

test("an upload sets mode and metadata, and makes missing directories", async () => {
  const { files } = connectTo(agent.url);
  const deep = join(path, "a", "b");
  await files.write(deep, "x", { mode: 0o750, atomic: true, sync: true, metadata: { origin: "test" } });
  expect(statSync(deep).mode & 0o777).toBe(0o750);
  expect((await files.stat(deep)).metadata).toEqual({ origin: "test" });
});

test("an error of the caller's stream rejects the upload and leaves nothing", async () => {
  async function* broken() {
    yield contentOf(3 * MIB);
    throw new Error("the disk is gone");
  }
  await expect(connectTo(agent.url).files.upload(path, broken())).rejects.toThrow("the disk is gone");
  expect(existsSync(path)).toBe(false);
});

test("errors name the path and have a code", async () => {
  const { files } = connectTo(agent.url);
  mkdirSync(path);
  for (const attempt of [() => files.read(`${path}/missing`), () => files.download(`${path}/missing`)])
    await expect(attempt()).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("missing"),
    });
  await expect(files.read(path)).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(files.write(path, "x")).rejects.toBeInstanceOf(ClientError);
  await expect(files.upload(path, inPieces(contentOf(3 * MIB), 1000))).rejects.toBeInstanceOf(ClientError);
});
