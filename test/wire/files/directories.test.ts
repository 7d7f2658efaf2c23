// Directories in one request: packed by GET, unpacked by POST, compared with the system's own tar.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, messageIn } from "../../support/clients/file-requests.ts";
import { openConnection, requestBytes } from "../../support/clients/raw-http.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  const pack = (path: string, query: string = "", format = "tar") =>
    callFiles(agent.port, { path: `/files?path=${encodeURIComponent(path)}&format=${format}${query}` });

  const unpack = (path: string, body: Uint8Array, query: Record<string, string> = {}, headers = {}) =>
    callFiles(agent.port, { method: "POST", query: { path, format: "tar", ...query }, headers, body });

  function tarOf(folder: string, ...options: string[]): Buffer {
    return execFileSync("tar", ["--create", "--directory", folder, ...options, "."], { maxBuffer: 2 ** 30 });
  }

  /** An archive of entries that no tar program would create. */
  async function craftedTar(
    entries: readonly { name: string; type?: string; linkname?: string; content?: string }[],
  ) {
    const { pack: createPack } = await import("tar-stream");
    const archive = createPack();
    for (const { content = "", ...header } of entries) archive.entry(header as never, content);
    archive.finalize();
    const pieces: Buffer[] = [];
    for await (const piece of archive as AsyncIterable<Buffer>) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  function tree(): string {
    const root = createTempFolder();
    mkdirSync(join(root, "d/e"), { recursive: true });
    writeFileSync(join(root, "a.txt"), "content of a");
    writeFileSync(join(root, "d/empty"), "");
    writeFileSync(join(root, "d/big"), Buffer.alloc(3_000_001, "big "));
    writeFileSync(join(root, `d/e/${"long-name-".repeat(15)}`), "long");
    writeFileSync(join(root, "d/größe"), "umlaut");
    chmodSync(join(root, "a.txt"), 0o640);
    chmodSync(join(root, "d/e"), 0o500);
    chownSync(join(root, "d/big"), 12345, 54321);
    symlinkSync("../a.txt", join(root, "d/link"));
    linkSync(join(root, "a.txt"), join(root, "d/hard"));
    utimesSync(join(root, "a.txt"), 1_000_000_000, 1_000_000_000);
    utimesSync(join(root, "d"), 1_100_000_000, 1_100_000_000);
    return root;
  }

  /** Everything that an archive keeps, except owners. */
  function listing(root: string, path = ""): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const name of readdirSync(join(root, path)).sort()) {
      const below = join(path, name);
      const place = join(root, below);
      const stats = lstatSync(place);
      const common = { mode: (stats.mode & 0o777).toString(8), mtime: Math.floor(stats.mtimeMs / 1000) };
      if (stats.isSymbolicLink()) found[below] = readlinkSync(place);
      else if (stats.isDirectory()) Object.assign(found, { [below]: common }, listing(root, below));
      else found[below] = { ...common, nlink: stats.nlink, content: readFileSync(place, "latin1") };
    }
    return found;
  }

  describe("a directory that is downloaded", () => {
    test.each(["tar", "tar.gz"])("as %s is what tar unpacks to the same tree", async (format) => {
      const root = tree();
      const { status, headers, body } = await pack(root, "", format);
      expect([status, headers["content-type"]]).toEqual([
        200,
        format === "tar" ? "application/x-tar" : "application/gzip",
      ]);
      const target = createTempFolder();
      execFileSync("tar", ["--extract", "--preserve-permissions", "--directory", target], {
        input: format === "tar" ? body : gunzipSync(body),
      });
      expect(listing(target)).toEqual(listing(root));
      expect(statSync(join(target, "d/big")).uid).toBe(12345);
    });

    test("counts its content in trailers", async () => {
      const root = tree();
      execFileSync("mkfifo", [join(root, "fifo")]);
      const { trailers } = await pack(root);
      expect(trailers).toEqual({
        "x-archive-files": "5",
        "x-archive-directories": "3",
        "x-archive-links": "2",
        "x-archive-bytes": String(12 + 3_000_001 + 4 + 6),
        "x-archive-skipped": "1",
        "x-archive-skipped-entries": encodeURIComponent('[{"name":"fifo","reason":"it is a FIFO"}]'),
      });
    });

    test("keeps the holes of its files", async () => {
      const root = createTempFolder();
      const sparse = Buffer.alloc(1_000_000, "data in the middle");
      writeFileSync(join(root, "sparse"), "");
      const file = openSync(join(root, "sparse"), "w");
      writeSync(file, sparse, 0, sparse.length, 52_428_800);
      closeSync(file);
      truncateSync(join(root, "sparse"), 104_857_600);
      const original = readFileSync(join(root, "sparse"));
      const { body } = await pack(root);
      expect(body.length).toBeLessThan(2_000_000);
      const target = createTempFolder();
      execFileSync("tar", ["--extract", "--directory", target], { input: body });
      expect(readFileSync(join(target, "sparse")).equals(original)).toBe(true);
      const again = createTempFolder();
      expect((await unpack(again, body)).status).toBe(200);
      expect(readFileSync(join(again, "sparse")).equals(original)).toBe(true);
      expect(statSync(join(again, "sparse")).blocks * 512).toBeLessThan(2_000_000);
    });

    test("keeps ids and times that do not fit into the fields of a header", async () => {
      const root = createTempFolder();
      const times = [["old", -100_000_000] as const, ["new", 4_000_000_000] as const];
      for (const [name, seconds] of times) {
        writeFileSync(join(root, name), name);
        chownSync(join(root, name), 3_000_000, 1_600_000_000);
        utimesSync(join(root, name), new Date(seconds * 1000), new Date(seconds * 1000));
      }
      const { body } = await pack(root);
      const check = (folder: string, isOwnerKept: boolean) => {
        for (const [name, seconds] of times) {
          const { uid, gid, mtimeMs } = statSync(join(folder, name));
          expect(mtimeMs).toBe(seconds * 1000);
          if (isOwnerKept) expect([uid, gid]).toEqual([3_000_000, 1_600_000_000]);
        }
      };
      const target = createTempFolder();
      execFileSync("tar", ["--extract", "--directory", target], { input: body });
      check(target, true);
      const again = createTempFolder();
      const owner = mode === "agent" ? "archive" : "user";
      expect((await unpack(again, body, { owner })).status).toBe(200);
      check(again, mode === "agent");
    });

    test("leaves out a link whose target is not UTF-8, and counts it", async () => {
      const root = createTempFolder();
      symlinkSync(Buffer.from("a\xffb", "latin1"), join(root, "link"));
      const { body, trailers } = await pack(root);
      expect([trailers["x-archive-links"], trailers["x-archive-skipped"]]).toEqual(["0", "1"]);
      expect(execFileSync("tar", ["--list"], { input: body }).toString()).toBe("./\n");
    });

    test("leaves out a directory that vanishes meanwhile, and counts it", async () => {
      const root = createTempFolder();
      // More than the buffers of the connection hold: the agent stops in the middle of it.
      writeFileSync(join(root, "a"), Buffer.alloc(64 * 1024 * 1024, 1));
      mkdirSync(join(root, "b/c"), { recursive: true });
      writeFileSync(join(root, "d"), "");
      const request = get({ port: agent.port, path: `/files?path=${root}&format=tar` });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      for await (const _ of response) rmSync(join(root, "b"), { recursive: true, force: true });
      expect(response.trailers).toMatchObject({ "x-archive-files": "2", "x-archive-skipped": "1" });
    });

    test("leaves out what the request excludes, at any depth", async () => {
      const root = createTempFolder();
      for (const path of ["node_modules/x", "a/node_modules/y", "a/keep", "a/b.log", "c/b.log"]) {
        mkdirSync(join(root, path, ".."), { recursive: true });
        writeFileSync(join(root, path), "");
      }
      const { body } = await pack(root, "&exclude=node_modules&exclude=a/*.log");
      const names = execFileSync("tar", ["--list"], { input: body }).toString().trim().split("\n");
      expect(names).toEqual(["./", "a/", "a/keep", "c/", "c/b.log"]);
    });

    test.each([
      ["that is missing", "/tmp/none-of-this-name", 404],
      ["that is a file", "/etc/hostname", 400],
    ])("and %s is refused", async (_, path, status) => {
      expect((await pack(path)).status).toBe(status);
    });

    test("in an unknown format, or with a pattern that is too long, is 400", async () => {
      expect((await pack("/tmp", "", "zip")).status).toBe(400);
      const answer = await pack("/tmp", `&exclude=${"a".repeat(257)}`);
      expect([answer.status, messageIn(answer)]).toEqual([
        400,
        expect.stringContaining("has 257 characters, must have 1 to 256"),
      ]);
    });

    test("as tar.zst works where Node has it, and else names tar.gz", async () => {
      const root = tree();
      const answer = await pack(root, "", "tar.zst");
      const hasZstd = "createZstdCompress" in (await import("node:zlib"));
      if (hasZstd) expect(answer.status).toBe(200);
      else
        expect([answer.status, messageIn(answer)]).toEqual([
          400,
          expect.stringContaining("use format=tar.gz"),
        ]);
    });

    test("while links and directories in it are swapped holds nothing of the outside", async () => {
      const outside = createTempFolder();
      writeFileSync(join(outside, "secret"), "SECRET");
      const root = createTempFolder();
      mkdirSync(join(root, "swap"));
      for (let index = 0; index < 200; index++) writeFileSync(join(root, "swap", `f${index}`), "inside");
      symlinkSync(outside, join(root, "out"));
      const swapper = execFileSyncInBackground(root);
      for (let round = 0; round < 20; round++) {
        const { body } = await pack(root).catch(() => ({ body: Buffer.alloc(0) }));
        expect(body.includes("SECRET")).toBe(false);
      }
      await swapper.stop();
    });
  });

  /** Exchanges the directory `swap` and the link `out` as fast as it can. */
  function execFileSyncInBackground(root: string): { stop(): Promise<void> } {
    const controller = new AbortController();
    const swap = async () => {
      while (!controller.signal.aborted) {
        renameSync(join(root, "swap"), join(root, "tmp"));
        renameSync(join(root, "out"), join(root, "swap"));
        await new Promise((resolve) => setImmediate(resolve));
        renameSync(join(root, "swap"), join(root, "out"));
        renameSync(join(root, "tmp"), join(root, "swap"));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const swapping = swap();
    return {
      stop: async () => {
        controller.abort();
        await swapping;
      },
    };
  }

  describe("an archive that is uploaded", () => {
    test.each(["tar", "tar.gz"])("as %s becomes the same tree", async (format) => {
      const root = tree();
      const target = join(createTempFolder(), "new/place");
      const body = tarOf(root, ...(format === "tar" ? [] : ["--gzip"]));
      const answer = await unpack(target, body, { format });
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body.toString())).toEqual({
        path: target,
        files: 5,
        directories: 3,
        links: 2,
        bytes: 12 + 3_000_001 + 4 + 6,
        skipped: [],
        skipped_count: 0,
      });
      expect(listing(target)).toEqual(listing(root));
    });

    test.runIf(mode === "agent")(
      "belongs to the user, or on request to the owners that it names",
      async () => {
        const root = tree();
        const target = createTempFolder();
        await unpack(target, tarOf(root), { username: "nobody" });
        for (const path of ["d", "d/big", "a.txt"]) expect(statSync(join(target, path)).uid).toBe(65534);
        expect(lstatSync(join(target, "d/link")).uid).toBe(65534);
        const archive = createTempFolder();
        await unpack(archive, tarOf(root), { owner: "archive" });
        const { uid, gid } = statSync(join(archive, "d/big"));
        expect([uid, gid]).toEqual([12345, 54321]);
      },
    );

    test.runIf(mode === "agent")("keeps set-id bits only together with its owners", async () => {
      const root = createTempFolder();
      writeFileSync(join(root, "suid"), "");
      chmodSync(join(root, "suid"), 0o4755);
      const target = createTempFolder();
      await unpack(target, tarOf(root));
      expect((statSync(join(target, "suid")).mode & 0o7777).toString(8)).toBe("755");
      await unpack(target, tarOf(root), { owner: "archive" });
      expect((statSync(join(target, "suid")).mode & 0o7777).toString(8)).toBe("4755");
    });

    test("replaces files and links that are there, and leaves others", async () => {
      const target = createTempFolder();
      const outside = join(createTempFolder(), "outside");
      writeFileSync(outside, "outside");
      symlinkSync(outside, join(target, "file"));
      writeFileSync(join(target, "other"), "other");
      const body = await craftedTar([{ name: "file", content: "new" }]);
      expect((await unpack(target, body)).status).toBe(200);
      expect(readFileSync(join(target, "file"), "utf8")).toBe("new");
      expect(readFileSync(outside, "utf8")).toBe("outside");
      expect(readdirSync(target).sort()).toEqual(["file", "other"]);
    });

    test.each([
      ["a name with ..", [{ name: "../escaped", content: "x" }], /contains ".."/],
      ["a name with .. in the middle", [{ name: "a/../../escaped", content: "x" }], /contains ".."/],
      ["an absolute link", [{ name: "l", type: "symlink", linkname: "/etc" }], /can lead out/],
      ["a link upwards", [{ name: "a/l", type: "symlink", linkname: "../../x" }], /can lead out/],
      ["a link that goes down and up", [{ name: "l", type: "symlink", linkname: "a/../.." }], /can lead out/],
      ["a hard link upwards", [{ name: "l", type: "link", linkname: "../x" }], /contains ".."/],
      [
        "a file through a link of the archive",
        [
          { name: "d", type: "directory" },
          { name: "l", type: "symlink", linkname: "d" },
          { name: "l/x", content: "x" },
        ],
        /symbolic link/,
      ],
    ] as const)("with %s is refused, and nothing outside changes", async (_, entries, message) => {
      const folder = createTempFolder();
      const target = join(folder, "target");
      const answer = await unpack(target, await craftedTar(entries));
      expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringMatching(message)]);
      expect(readdirSync(folder)).toEqual(["target"]);
    });

    test("through a link that is in the directory already is refused", async () => {
      const outside = createTempFolder();
      const target = createTempFolder();
      symlinkSync(outside, join(target, "l"));
      const answer = await unpack(target, await craftedTar([{ name: "l/x", content: "x" }]));
      expect(answer.status).toBe(400);
      expect(readdirSync(outside)).toEqual([]);
    });

    test("with an absolute name is unpacked below the directory", async () => {
      const target = createTempFolder();
      expect((await unpack(target, await craftedTar([{ name: "/etc/x", content: "x" }]))).status).toBe(200);
      expect(readFileSync(join(target, "etc/x"), "utf8")).toBe("x");
    });

    test("may have its outward links skipped or kept", async () => {
      const body = await craftedTar([{ name: "l", type: "symlink", linkname: "/etc" }]);
      const skipped = createTempFolder();
      const answer = await unpack(skipped, body, { links: "skip" });
      expect(JSON.parse(answer.body.toString())).toMatchObject({
        skipped_count: 1,
        skipped: [{ name: "l" }],
      });
      expect(existsSync(join(skipped, "l"))).toBe(false);
      const kept = createTempFolder();
      await unpack(kept, body, { links: "keep" });
      expect(readlinkSync(join(kept, "l"))).toBe("/etc");
    });

    test("skips devices and FIFOs and says so", async () => {
      const target = createTempFolder();
      const answer = await unpack(
        target,
        await craftedTar([
          { name: "f", type: "fifo" },
          { name: "g", content: "x" },
        ]),
      );
      expect(JSON.parse(answer.body.toString())).toMatchObject({
        files: 1,
        skipped: [{ name: "f", reason: "it is a fifo" }],
      });
    });

    test.each([
      ["cut in a large file", (body: Buffer) => body.subarray(0, 1_500_000)],
      ["no archive", () => Buffer.from("this is no archive ".repeat(100))],
    ])("that is %s is 400, and no file is there in part", async (_, damage) => {
      const root = createTempFolder();
      writeFileSync(join(root, "big"), Buffer.alloc(3_000_000, 1));
      const target = createTempFolder();
      const answer = await unpack(target, damage(tarOf(root)));
      expect([answer.status, messageIn(answer)]).toEqual([
        400,
        expect.stringContaining("not a valid tar archive"),
      ]);
      expect(readdirSync(target)).toEqual([]);
    });

    test("reports its progress as events on request", async () => {
      const target = createTempFolder();
      const answer = await unpack(target, tarOf(tree()), {}, { accept: "application/x-ndjson" });
      const events = answer.body
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(events.length).toBeGreaterThan(1);
      expect(events.slice(0, -1).every(({ progress }) => progress.files >= 0)).toBe(true);
      expect(events.at(-1).result).toMatchObject({ files: 5 });
      const failed = await unpack(
        target,
        Buffer.from("x".repeat(1000)),
        {},
        { accept: "application/x-ndjson" },
      );
      expect(JSON.parse(failed.body.toString().trim()).error).toMatchObject({ code: 400 });
    });

    test("of 2,600 small files in one request has all of them", async () => {
      const root = createTempFolder();
      for (let index = 0; index < 2_600; index++) {
        const folder = join(root, `d${index % 50}`);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, `f${index}`), `content ${index}`.repeat(20));
      }
      const body = tarOf(root);
      const target = createTempFolder();
      expect((await unpack(target, body)).status).toBe(200);
      expect(listing(target)).toEqual(listing(root));
    });

    test("with one hard link twice leaves no other name of the file", async () => {
      const body = await craftedTar([
        { name: "a", content: "x" },
        { name: "b", type: "link", linkname: "a" },
        { name: "b", type: "link", linkname: "a" },
        { name: "a", type: "link", linkname: "a" },
      ]);
      const target = createTempFolder();
      expect((await unpack(target, body)).status).toBe(200);
      expect(readdirSync(target)).toEqual(["a", "b"]);
      expect(statSync(join(target, "a")).nlink).toBe(2);
    });

    test("that breaks off says what was unpacked, and that is there", async () => {
      const good = Array.from({ length: 300 }, (_, n) => ({ name: `f${n}`, content: "x" }));
      const refused = await craftedTar([...good, { name: "../out", content: "x" }]);
      const failing = await craftedTar([
        { name: "d/x", content: "x" },
        { name: "link", type: "link", linkname: "d/x" },
        { name: "d", content: "a directory is there" },
        { name: "never", content: "x" },
      ]);
      const cut = (await craftedTar(good)).subarray(0, 299 * 1024 + 100);
      for (const [body, files, links] of [
        [refused, 300, 0],
        [failing, 1, 1],
        [cut, 299, 0],
      ] as const) {
        const target = createTempFolder();
        const answer = await unpack(target, body);
        expect(answer.status).toBe(400);
        const { unpacked } = JSON.parse(answer.body.toString());
        expect(unpacked).toMatchObject({ files, links, bytes: files });
        expect(
          readdirSync(target, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()),
        ).toHaveLength(files + links);
      }
    });

    test("with a link without a target is refused, and one whose target is not UTF-8 is skipped", async () => {
      const empty = await craftedTar([{ name: "link", type: "symlink", linkname: "" }]);
      const answer = await unpack(createTempFolder(), empty);
      expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("without a target")]);
      const root = createTempFolder();
      symlinkSync(Buffer.from("a\xffb", "latin1"), join(root, "link"));
      const target = createTempFolder();
      const { body } = await unpack(target, tarOf(root));
      expect(JSON.parse(body.toString()).skipped).toEqual([
        { name: "./link", reason: "the target of the link is not UTF-8" },
      ]);
      expect(readdirSync(target)).toEqual([]);
    });

    test("that is given up by its client leaves no descriptor and no part of a file", async () => {
      const root = createTempFolder();
      writeFileSync(join(root, "big"), Buffer.alloc(3_000_000, 1));
      const target = createTempFolder();
      const body = tarOf(root);
      const connection = await openConnection(agent.port);
      const request = requestBytes({ path: `/files?path=${target}&format=tar`, body });
      connection.send(request.subarray(0, request.length - 1_000_000));
      connection.cut();
      await connection.closed();
      expect(readdirSync(target).filter((name) => name !== "big")).toEqual([]);
      expect(existsSync(join(target, "big"))).toBe(false);
    });
  });

  test("a tree is downloaded and uploaded again byte for byte", async () => {
    const root = tree();
    unlinkSync(join(root, "d/big"));
    const { body } = await pack(root, "", "tar.gz");
    const target = createTempFolder();
    expect((await unpack(target, body, { format: "tar.gz" })).status).toBe(200);
    expect(listing(target)).toEqual(listing(root));
  });
});
