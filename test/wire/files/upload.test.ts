// POST /files: raw bodies, forms, metadata, and what an upload may be written to.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, getFile, messageIn, putFile } from "../../support/clients/file-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  const LARGE = Buffer.alloc(3_000_000, "large content ");

  function newPath(): string {
    return join(createTempFolder(), "file");
  }

  function existing(content: string | Uint8Array = "old content"): string {
    const path = newPath();
    writeFileSync(path, content);
    return path;
  }

  const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

  describe("a new file", () => {
    test.each([
      ["empty", Buffer.alloc(0)],
      ["small", Buffer.from("small")],
      ["large", LARGE],
    ])("that is %s is stored with all its bytes, and named in the answer", async (_, content) => {
      const path = newPath();
      const answer = await putFile(agent.port, path, content);
      expect(JSON.parse(answer.body.toString())).toEqual([{ path, name: "file", type: "file" }]);
      expect([answer.status, answer.headers["content-type"]]).toEqual([
        200,
        "application/json; charset=utf-8",
      ]);
      expect(readFileSync(path).equals(content)).toBe(true);
      expect(modeOf(path)).toBe("644");
      expect(answer.headers.etag).toBe((await getFile(agent.port, path)).headers.etag);
    });

    test("gets its directories, and both belong to the user", async () => {
      const root = createTempFolder();
      chmodSync(root, 0o777);
      const path = join(root, "a/b/file");
      await putFile(agent.port, path, "x", { query: { username: "nobody" } });
      const { uid, gid } = statSync(path);
      expect([uid, gid]).toEqual([65534, 65534]);
      expect(statSync(join(root, "a")).uid).toBe(65534);
      expect(modeOf(join(root, "a/b"))).toBe("755");
      expect(statSync(root).uid).toBe(0);
    });

    test("and many others at the same time get one directory, which belongs to the user", async () => {
      for (let round = 0; round < 20; round++) {
        const root = createTempFolder();
        chmodSync(root, 0o777);
        await Promise.all(
          Array.from({ length: 12 }, (_, index) =>
            putFile(agent.port, join(root, `a/b/file-${index}`), "x", { query: { username: "nobody" } }),
          ),
        );
        expect(readdirSync(join(root, "a/b")).length).toBe(12);
        expect([statSync(join(root, "a")).uid, statSync(join(root, "a/b")).uid]).toEqual([65534, 65534]);
      }
    });

    test("gets the permissions that the request names", async () => {
      const path = newPath();
      await putFile(agent.port, path, "#!/bin/sh\n", { query: { mode: "755" } });
      expect(modeOf(path)).toBe("755");
      const bad = await putFile(agent.port, path, "x", { query: { mode: "9" } });
      expect([bad.status, messageIn(bad)]).toEqual([400, 'mode is three octal digits such as 755, not "9"']);
    });

    test("through a link to nothing is created at the link's target", async () => {
      const folder = createTempFolder();
      symlinkSync(join(folder, "target"), join(folder, "link"));
      expect((await putFile(agent.port, join(folder, "link"), LARGE)).status).toBe(200);
      expect(readFileSync(join(folder, "target")).equals(LARGE)).toBe(true);
      expect(lstatSync(join(folder, "link")).isSymbolicLink()).toBe(true);
    });

    test("on a file system of its own, where the spool file cannot be linked, is stored as well", async () => {
      const folder = createTempFolder("/dev/shm");
      expect((await putFile(agent.port, join(folder, "file"), LARGE)).status).toBe(200);
      expect(readFileSync(join(folder, "file")).equals(LARGE)).toBe(true);
      expect(readdirSync(folder)).toEqual(["file"]);
    });
  });

  describe("an existing file", () => {
    test.each([
      ["a smaller", Buffer.from("new")],
      ["a larger", LARGE],
      ["an empty", Buffer.alloc(0)],
    ])("keeps its inode, links, mode and owner with %s content (row 22)", async (_, content) => {
      const path = existing();
      linkSync(path, `${path}-2`);
      chmodSync(path, 0o750);
      chownSync(path, 12345, 54321);
      const before = statSync(path);
      // With its own rights, nobody could not write to it.
      const query = mode === "agent" ? { username: "nobody" } : { username: "root" };
      const { status } = await putFile(agent.port, path, content, { query });
      const after = statSync(path);
      expect(status).toBe(200);
      expect(readFileSync(`${path}-2`).equals(content)).toBe(true);
      expect([after.ino, after.nlink, after.mode, after.uid, after.gid]).toEqual([
        before.ino,
        2,
        before.mode,
        12345,
        54321,
      ]);
    });

    test("is replaced by a rename on request, with its mode and owner", async () => {
      const path = existing();
      chmodSync(path, 0o600);
      chownSync(path, 12345, 54321);
      const before = statSync(path);
      for (const content of [Buffer.from("tiny"), LARGE]) {
        expect((await putFile(agent.port, path, content, { query: { atomic: "true" } })).status).toBe(200);
        expect(readFileSync(path).equals(content)).toBe(true);
      }
      const after = statSync(path);
      expect(after.ino).not.toBe(before.ino);
      expect([after.uid, after.gid, after.mode]).toEqual([12345, 54321, before.mode]);
      expect(readdirSync(join(path, ".."))).toEqual(["file"]);
    });

    test("through a link is written at the link's target, also by a rename", async () => {
      const path = existing();
      symlinkSync(path, `${path}-link`);
      await putFile(agent.port, `${path}-link`, "in place");
      expect(readFileSync(path, "utf8")).toBe("in place");
      await putFile(agent.port, `${path}-link`, "renamed", { query: { atomic: "true" } });
      expect(readFileSync(path, "utf8")).toBe("renamed");
      expect(lstatSync(`${path}-link`).isSymbolicLink()).toBe(true);
    });

    test("with holes is written whole", async () => {
      const path = newPath();
      writeFileSync(path, "");
      truncateSync(path, 10_000_000);
      await putFile(agent.port, path, LARGE);
      expect(readFileSync(path).equals(LARGE)).toBe(true);
    });
  });

  describe("a target that is not a file", () => {
    test("is refused before the body is sent, without side effects (rows 24, 28, 29)", async () => {
      const folder = createTempFolder();
      execFileSync("mkfifo", [join(folder, "fifo")]);
      writeFileSync(join(folder, "plain"), "");
      for (const [name, status] of [
        ["fifo", 400],
        ["", 400],
        ["new/", 400],
        ["new/.", 400],
        ["plain/below", 404],
        ["n".repeat(300), 400],
      ] as const) {
        const answer = await putFile(agent.port, `${folder}/${name}`, "x");
        expect([name, answer.status]).toEqual([name, status]);
      }
      expect(readdirSync(folder).sort()).toEqual(["fifo", "plain"]);
    });

    test("because a program runs from it is 409", async () => {
      const path = newPath();
      execFileSync("cp", ["/bin/sleep", path]);
      const { spawn } = await import("node:child_process");
      const child = spawn(path, ["100"]);
      await new Promise((resolve) => child.once("spawn", resolve));
      const answer = await putFile(agent.port, path, "x");
      child.kill();
      expect([answer.status, messageIn(answer)]).toEqual([409, expect.stringContaining("running program")]);
    });
  });

  describe("a request without the necessary parts", () => {
    test.each([
      ["without a type", {}, 400, /Content-Type is application\/octet-stream or multipart/],
      ["with another type", { "content-type": "text/plain" }, 400, /not "text\/plain"/],
      [
        "with an unknown coding",
        { "content-type": "application/octet-stream", "content-encoding": "br" },
        400,
        /Content-Encoding is gzip or identity, not "br"/,
      ],
      [
        "with an unknown user",
        { "content-type": "application/octet-stream", authorization: `Basic ${btoa("no-such-user:")}` },
        401,
        /no such user/,
      ],
    ] as const)("%s is refused", async (_, headers, status, message) => {
      const path = newPath();
      const answer = await callFiles(agent.port, { method: "POST", query: { path }, headers, body: "x" });
      expect([answer.status, messageIn(answer)]).toEqual([status, expect.stringMatching(message)]);
      expect(existsSync(path)).toBe(false);
    });

    test("without a path is refused", async () => {
      const answer = await putFile(agent.port, "", "x");
      expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("path is missing")]);
    });

    test("with another method is 405 with Allow", async () => {
      const answer = await callFiles(agent.port, { method: "PUT", query: { path: newPath() }, body: "x" });
      expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD, POST"]);
    });
  });

  describe("a compressed body", () => {
    const gzip = { "content-encoding": "gzip" };

    test("is stored decompressed", async () => {
      const path = newPath();
      expect((await putFile(agent.port, path, gzipSync(LARGE), { headers: gzip })).status).toBe(200);
      expect(readFileSync(path).equals(LARGE)).toBe(true);
    });

    test.each([
      ["cut", gzipSync(LARGE).subarray(0, -20)],
      ["damaged", Buffer.concat([gzipSync(LARGE).subarray(0, -8), Buffer.alloc(8)])],
      ["no gzip at all", Buffer.from("plain")],
    ])("that is %s changes nothing", async (_, body) => {
      const path = existing();
      const answer = await putFile(agent.port, path, body, { headers: gzip });
      expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("not valid gzip")]);
      expect(readFileSync(path, "utf8")).toBe("old content");
    });

    test("that becomes far larger is refused with 413 (row 42)", async () => {
      const path = existing();
      const bomb = gzipSync(Buffer.alloc(300_000_000));
      const answer = await putFile(agent.port, path, bomb, { headers: gzip });
      expect([answer.status, messageIn(answer)]).toEqual([
        413,
        expect.stringContaining("send it uncompressed"),
      ]);
      expect(readFileSync(path, "utf8")).toBe("old content");
    });
  });

  describe("a digest", () => {
    const sha256 = (content: Uint8Array) =>
      `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;

    test.each(["content-digest", "repr-digest"])(
      "in %s that is right lets the file be stored",
      async (name) => {
        const path = existing();
        expect((await putFile(agent.port, path, LARGE, { headers: { [name]: sha256(LARGE) } })).status).toBe(
          200,
        );
        expect(readFileSync(path).equals(LARGE)).toBe(true);
      },
    );

    test("that is wrong changes nothing", async () => {
      const path = existing();
      const headers = { "repr-digest": sha256(Buffer.from("other")) };
      const answer = await putFile(agent.port, path, LARGE, { headers });
      expect([answer.status, messageIn(answer)]).toEqual([
        400,
        expect.stringContaining("the file is unchanged"),
      ]);
      expect(readFileSync(path, "utf8")).toBe("old content");
    });

    test("that is malformed is 400, and one of an unknown algorithm is ignored", async () => {
      const put = (digest: string) =>
        putFile(agent.port, newPath(), "x", { headers: { "content-digest": digest } });
      expect((await put("sha-256=:YWJj:")).status).toBe(400);
      expect((await put("nonsense")).status).toBe(400);
      expect((await put("md5=:YWJj:")).status).toBe(200);
    });
  });

  describe("metadata", () => {
    test("is stored, answered, and replaced as a whole", async () => {
      const path = newPath();
      const first = await putFile(agent.port, path, "x", {
        headers: { "X-Metadata-Author": "me", "x-metadata-b": "2" },
      });
      expect(JSON.parse(first.body.toString())[0].metadata).toEqual({ author: "me", b: "2" });
      const odd = await putFile(agent.port, path, "x", { headers: { "x-metadata-__proto__": "1" } });
      expect(odd.body.toString()).toContain('"metadata":{"__proto__":"1"}');
      const second = await putFile(agent.port, path, "y", { headers: { "x-metadata-c": "3" } });
      expect(JSON.parse(second.body.toString())[0].metadata).toEqual({ c: "3" });
      const third = await putFile(agent.port, path, "z");
      expect(JSON.parse(third.body.toString())[0].metadata).toBeUndefined();
    });

    test.each([
      ["a key that is too long", { [`x-metadata-${"k".repeat(247)}`]: "v" }],
      ["a value that is too long", { "x-metadata-k": "v".repeat(4096) }],
      ["a value that is not ASCII", { "x-metadata-k": "\u00e9" }],
    ])("with %s is refused, and the file stays", async (_, headers) => {
      const path = existing();
      const answer = await putFile(agent.port, path, "x", { headers });
      expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("metadata")]);
      expect(readFileSync(path, "utf8")).toBe("old content");
    });
  });

  describe("conditions", () => {
    test("store a file only if it is the version that the client knows", async () => {
      const path = existing();
      const { headers } = await getFile(agent.port, path);
      const put = (etag: string) => putFile(agent.port, path, "new", { headers: { "if-match": etag } });
      expect((await put('"other"')).status).toBe(412);
      expect(readFileSync(path, "utf8")).toBe("old content");
      expect((await put(headers.etag ?? "")).status).toBe(200);
      expect((await put(headers.etag ?? "")).status).toBe(412);
    });

    test("create a file only if there is none", async () => {
      const path = newPath();
      const put = () => putFile(agent.port, path, "x", { headers: { "if-none-match": "*" } });
      expect((await put()).status).toBe(200);
      expect((await put()).status).toBe(412);
    });
  });

  describe("a form", () => {
    const BOUNDARY = "----boundary";
    const part = (name: string, filename: string | undefined, content: string) =>
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${
        filename === undefined ? "" : `; filename="${filename}"`
      }\r\n\r\n${content}\r\n`;
    const post = (parts: readonly string[], query: Record<string, string> = {}, headers = {}) =>
      callFiles(agent.port, {
        method: "POST",
        query,
        headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
        body: `${parts.join("")}--${BOUNDARY}--\r\n`,
      });

    test("stores each file under its own name, with directories", async () => {
      const folder = createTempFolder();
      const names = ["a.txt", "d/é.txt"].map((name) => join(folder, name));
      const answer = await post(names.map((name) => part("file", name, `content of ${name}`)));
      expect(JSON.parse(answer.body.toString())).toEqual([
        { path: names[0], name: "a.txt", type: "file" },
        { path: names[1], name: "é.txt", type: "file" },
      ]);
      for (const name of names) expect(readFileSync(name, "utf8")).toBe(`content of ${name}`);
    });

    test("stores its only file at the path of the query", async () => {
      const path = newPath();
      expect((await post([part("file", "ignored", "content")], { path })).status).toBe(200);
      expect((await post([part("file", undefined, "content")], { path })).status).toBe(200);
      expect(readFileSync(path, "utf8")).toBe("content");
      const twice = await post([part("file", "a", "1"), part("file", "b", "2")], { path });
      expect([twice.status, messageIn(twice)]).toEqual([400, expect.stringContaining("more than one file")]);
    });

    test("skips parts with other names, and may have no file at all", async () => {
      const answer = await post([part("other", "x", "content")]);
      expect([answer.status, answer.body.toString().trim()]).toEqual([200, "[]"]);
    });

    test("with one file twice is 400", async () => {
      const path = newPath();
      expect((await post([part("file", path, "1"), part("file", path, "2")])).status).toBe(400);
    });

    test("that fails in a later file says which were stored, or stores none (row 39)", async () => {
      const folder = createTempFolder();
      const good = join(folder, "good");
      const answer = await post([part("file", good, "content"), part("file", folder, "content")]);
      expect(answer.status).toBe(400);
      expect(existsSync(good)).toBe(false);
      mkdirSync(join(folder, "ro"));
      const many = Array.from({ length: 70 }, (_, index) => part("file", join(folder, `f${index}`), "x"));
      const later = await post([...many, part("file", folder, "content")]);
      const { written } = JSON.parse(later.body.toString());
      expect(written.map(({ name }: { name: string }) => name)).toEqual(["f0", "f1", "f2", "f3", "f4", "f5"]);
      expect(readdirSync(folder).sort()).toEqual(["f0", "f1", "f2", "f3", "f4", "f5", "ro"]);
    });

    test("that is cut or has no boundary is 400 and stores nothing", async () => {
      const path = newPath();
      const cut = await callFiles(agent.port, {
        method: "POST",
        headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}` },
        body: part("file", path, "content").slice(0, -5),
      });
      expect(cut.status).toBe(400);
      const none = await callFiles(agent.port, {
        method: "POST",
        headers: { "content-type": "multipart/form-data" },
        body: part("file", path, "content"),
      });
      expect(none.status).toBe(400);
      expect(existsSync(path)).toBe(false);
    });

    test("may be compressed, and its files may be large", async () => {
      const folder = createTempFolder();
      const names = ["a", "b", "c"].map((name) => join(folder, name));
      const content = LARGE.toString();
      const body = `${names.map((name) => part("file", name, content)).join("")}--${BOUNDARY}--\r\n`;
      const answer = await callFiles(agent.port, {
        method: "POST",
        headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}`, "content-encoding": "gzip" },
        body: gzipSync(body),
      });
      expect(answer.status).toBe(200);
      for (const name of names) expect(readFileSync(name).equals(LARGE)).toBe(true);
    });

    test("made by fetch is understood", async () => {
      const folder = createTempFolder();
      const form = new FormData();
      form.append("file", new Blob(["hello"]), join(folder, 'quo"te.txt'));
      const answer = await fetch(`${agent.url}/files`, { method: "POST", body: form });
      expect(answer.status).toBe(200);
    });
  });

  test("two uploads to one file at the same time leave one of both, never a mix", async () => {
    const path = existing();
    const contents = ["a", "b", "c", "d"].map((letter) => Buffer.alloc(2_000_000, letter));
    await Promise.all(contents.map((content) => putFile(agent.port, path, content)));
    const found = readFileSync(path);
    expect(contents.some((content) => content.equals(found))).toBe(true);
  });

  test("a body in pieces of one byte is stored, and costs little memory", async () => {
    const { openConnection } = await import("../../support/clients/raw-http.ts");
    const path = newPath();
    const connection = await openConnection(agent.port);
    const bytes = 20_000;
    connection.send(
      `POST /files?path=${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n` +
        "Transfer-Encoding: chunked\r\n\r\n",
    );
    connection.send("1\r\nx\r\n".repeat(bytes));
    connection.send("0\r\n\r\n");
    expect((await connection.response()).status).toBe(200);
    connection.cut();
    expect(readFileSync(path, "utf8")).toBe("x".repeat(bytes));
  });
});
