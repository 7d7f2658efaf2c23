// Small requests that ask for much: compressed bombs, archives without end, names without end, watches without number.

import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createGzip, gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES, fileClient } from "../../support/agent/file-agent.ts";
import { callFiles, getFile, messageIn, putFile } from "../../support/clients/file-requests.ts";
import { openConnection, requestBytes } from "../../support/clients/raw-http.ts";
import { eventually, rssBytes } from "../../support/proc/proc.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { volume } from "../../support/volume.ts";

vi.setConfig({ testTimeout: volume(120_000, 1_800_000) });

/** Of one transfer. */
const TRANSFER_BYTES = 1024 * 1024;

async function heldBytes(agent: RunningAgent): Promise<number> {
  const text = await (await fetch(`${agent.url}/metrics/prometheus`)).text();
  return Number(/^holdfast_held_bytes (\d+)$/m.exec(text)?.[1]);
}

/** A compressed archive of one file of zeros. */
async function tarBomb(bytes: number): Promise<Buffer> {
  const archive = pack();
  const pieces: Buffer[] = [];
  const packed = archive.pipe(createGzip());
  const entry = archive.entry({ name: "zeros", size: bytes });
  const zeros = Buffer.alloc(1_000_000);
  const write = async () => {
    for (let left = bytes; left > 0; left -= zeros.length)
      if (!entry.write(zeros.subarray(0, Math.min(left, zeros.length))))
        await new Promise<void>((resolve) => entry.once("drain", () => resolve()));
    entry.end(undefined);
    archive.finalize();
  };
  void write();
  for await (const piece of packed) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** An archive of one file. */
async function tarOf(content: Buffer): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: "file" }, content);
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const args = ["--file-access", mode];

  test("a compressed archive that becomes far larger is refused with 413, and leaves no part of a file", async () => {
    const agent = await startAgent({ args });
    const target = join(createTempFolder(), "target");
    const answer = await callFiles(agent.port, {
      method: "POST",
      query: { path: target, format: "tar.gz" },
      body: await tarBomb(200_000_000),
    });
    expect([answer.status, messageIn(answer)]).toEqual([
      413,
      expect.stringContaining("send it uncompressed"),
    ]);
    expect(readdirSync(target)).toEqual([]);
  });

  test("an archive that names more bytes than there are, or a name without end, is refused in little memory", async () => {
    const agent = await startAgent({ args });
    const target = join(createTempFolder(), "target");
    const unpack = (body: Buffer) =>
      callFiles(agent.port, {
        method: "POST",
        query: { path: target, format: "tar.gz" },
        body: gzipSync(body),
      });
    await unpack(Buffer.alloc(1024));
    const before = rssBytes(agent.pid);
    const head = (type: string, size: string) => {
      const header = Buffer.alloc(512);
      header.write("name", 0);
      header.write("0000644\0", 100);
      header.write("0000000\0", 108);
      header.write("0000000\0", 116);
      header.write(`${size}\0`, 124);
      header.write("00000000000\0", 136);
      header.write("        ", 148);
      header.write(type, 156);
      header.write("ustar\u000000", 257);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
      return header;
    };
    // A long name of GNU's, and attributes of pax, of 60 MB; and a file of 8 GB that ends at once.
    for (const body of [
      Buffer.concat([head("L", "00345067000"), Buffer.alloc(60_000_000, "n")]),
      Buffer.concat([head("x", "00345067000"), Buffer.alloc(60_000_000, "n")]),
      head("0", "77777777777"),
    ]) {
      const answer = await unpack(body);
      expect([400, 413]).toContain(answer.status);
    }
    const growth = rssBytes(agent.pid) - before;
    expect({ growth, isLess: growth < 120_000_000 }).toEqual({ growth, isLess: true });
    expect((await callFiles(agent.port, { path: "/health" })).status).toBe(204);
    expect(readdirSync(target)).toEqual([]);
  });

  test("names and paths of any length are refused or stored, and end nothing", async () => {
    const agent = await startAgent({ args });
    const folder = createTempFolder();
    const client = fileClient(agent.url);
    for (const bytes of [255, 256, 4000, 5000, 60_000]) {
      const path = join(folder, "n".repeat(bytes));
      const answer = await putFile(agent.port, path, "x");
      expect([bytes, answer.status]).toEqual([bytes, bytes === 255 ? 200 : bytes < 15_000 ? 400 : 431]);
      if (bytes === 255) continue;
      const calls = await Promise.allSettled([
        client.stat({ path }),
        client.makeDir({ path }),
        client.listDir({ path }),
        client.move({ source: join(folder, "n".repeat(255)), destination: path }),
        client.remove({ path }),
        client.createWatcher({ path }),
      ]);
      for (const call of calls)
        expect(call).toMatchObject({
          status: "rejected",
          reason: { message: expect.stringContaining("[invalid_argument]") as unknown },
        });
    }
    // A path of as many names as fit.
    const deep = `${folder}${"/d".repeat(Math.floor((4095 - folder.length) / 2))}`;
    expect((await client.makeDir({ path: deep })).entry?.path).toBe(deep);
    await client.remove({ path: join(folder, "d") });
    const form = await callFiles(agent.port, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body: `--b\r\nContent-Disposition: form-data; name="file"; filename="${"n".repeat(100_000)}"\r\n\r\nx\r\n--b--\r\n`,
    });
    expect(form.status).toBe(400);
    expect(readdirSync(folder)).toEqual(["n".repeat(255)]);
  });

  test("a client that asks for 100,000 watches gets as many as are allowed, and the agent lives", async () => {
    const agent = await startAgent({ args });
    const client = fileClient(agent.url);
    const path = createTempFolder();
    const wanted = volume(2_000, 100_000);
    const before = rssBytes(agent.pid);
    const reasons = new Map<string, number>();
    let created = 0;
    const one = async () => {
      try {
        await client.createWatcher({ path });
        created++;
      } catch (error) {
        const { message } = error as Error;
        reasons.set(message, (reasons.get(message) ?? 0) + 1);
      }
    };
    for (let at = 0; at < wanted; at += 100) await Promise.all(Array.from({ length: 100 }, one));
    expect(created).toBe(1024);
    expect([...reasons]).toEqual([
      ["[resource_exhausted] watcher limit reached (1024; --max-watchers)", wanted - 1024],
    ]);
    const growth = rssBytes(agent.pid) - before;
    expect({ growth, isLess: growth < 100_000_000 }).toEqual({ growth, isLess: true });
    writeFileSync(join(path, "x"), "");
    expect((await client.stat({ path: join(path, "x") })).entry?.name).toBe("x");
  });

  test("each transfer holds at most 1 MiB, and all of them stay within the budget", async () => {
    const agent = await startAgent({ args });
    const folder = createTempFolder();
    const large = join(folder, "large");
    // More than the kernel takes of a download, also when it is compressed: each transfer lasts until it is cut.
    const content = randomBytes(20_000_000);
    writeFileSync(large, content);
    mkdirSync(join(folder, "tree"));
    writeFileSync(join(folder, "tree/large"), content);
    await getFile(agent.port, large);
    const body = Buffer.alloc(3_000_000, 2);
    const type = { "content-type": "application/octet-stream" };
    const requests: readonly (readonly [string, Buffer])[] = [
      ["a download", requestBytes({ method: "GET", path: `/files?path=${large}` })],
      [
        "a compressed download",
        requestBytes({ method: "GET", path: `/files?path=${large}`, headers: { "accept-encoding": "gzip" } }),
      ],
      ["a directory", requestBytes({ method: "GET", path: `/files?path=${folder}/tree&format=tar` })],
      ["an upload", requestBytes({ path: `/files?path=${folder}/up`, headers: type, body }).subarray(0, -1)],
      [
        "a resumable upload",
        requestBytes({
          path: `/files?path=${folder}/up2`,
          headers: { ...type, "upload-complete": "?1" },
          body,
        }).subarray(0, -1),
      ],
      [
        "an archive",
        requestBytes({
          path: `/files?path=${folder}/up3&format=tar`,
          headers: type,
          body: await tarOf(body),
        }).subarray(0, -1_000_000),
      ],
    ];
    for (const [name, request] of requests) {
      const before = await heldBytes(agent);
      const connection = await openConnection(agent.port);
      connection.socket.pause();
      connection.send(request);
      let held = 0;
      let still = 0;
      await eventually(
        `the memory of ${name}`,
        async () => {
          held = (await heldBytes(agent)) - before;
          return held > 0;
        },
        () => held,
      );
      expect({ name, held, isLess: held <= TRANSFER_BYTES }).toEqual({ name, held, isLess: true });
      connection.reset();
      await eventually(
        `nothing held after ${name}`,
        async () => {
          still = await heldBytes(agent);
          return still <= before;
        },
        () => still,
      );
    }
  });
});
