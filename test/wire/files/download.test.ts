// GET and HEAD /files.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, getFile, messageIn, putFile } from "../../support/clients/file-requests.ts";
import { openConnection, requestBytes } from "../../support/clients/raw-http.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  const TEXT = "0123456789".repeat(10);

  function fileWith(content: string | Uint8Array = TEXT, name = "file.txt"): string {
    const path = join(createTempFolder(), name);
    writeFileSync(path, content);
    return path;
  }

  test("a file arrives as it is, with its length, type and time", async () => {
    const path = fileWith();
    const { status, headers, body } = await getFile(agent.port, path);
    expect(status).toBe(200);
    expect(body.toString()).toBe(TEXT);
    expect(headers).toMatchObject({
      "content-length": "100",
      "content-type": "text/plain; charset=utf-8",
      "content-disposition": "inline; filename=file.txt",
      "accept-ranges": "bytes",
      "last-modified": new Date(Math.floor(statSync(path).mtimeMs / 1000) * 1000).toUTCString(),
      vary: "Accept-Encoding",
    });
    expect(headers["content-encoding"]).toBeUndefined();
  });

  test.each(["/proc/version", "/proc/self/../filesystems", "/sys/devices/system/cpu/online"])(
    "%s, whose size the kernel does not say, arrives whole",
    async (path) => {
      const content = readFileSync(path, "utf8");
      expect(content).not.toBe("");
      const answer = await getFile(agent.port, path);
      expect([answer.status, answer.body.toString()]).toEqual([200, content]);
      expect(answer.headers["content-length"]).toBe(String(content.length));
      const part = await getFile(agent.port, path, { range: "bytes=1-2" });
      expect([part.status, part.body.toString()]).toEqual([206, content.slice(1, 3)]);
      // Each answer has a version of its own: the content changes, and the times do not.
      expect(part.headers.etag).not.toBe(answer.headers.etag);
    },
  );

  test("an empty file has length 0", async () => {
    const { status, headers, body } = await getFile(agent.port, fileWith(""));
    expect([status, headers["content-length"], body.length]).toEqual([200, "0", 0]);
  });

  test("a file of 20 MB arrives byte for byte", async () => {
    const content = Buffer.alloc(20_000_000, "abcdefghijklmnopqrstuvwxyz\n");
    const { body } = await getFile(agent.port, fileWith(content, "big.bin"));
    expect(body.equals(content)).toBe(true);
  });

  test("HEAD answers the size and the ETag without the content", async () => {
    const path = fileWith();
    const head = await callFiles(agent.port, { method: "HEAD", query: { path } });
    const whole = await getFile(agent.port, path);
    expect([head.status, head.body.length, head.headers["content-length"]]).toEqual([200, 0, "100"]);
    expect(head.headers.etag).toBe(whole.headers.etag);
  });

  describe("a path that is not a file", () => {
    test("that is missing is 404, in envd's words", async () => {
      const path = join(createTempFolder(), "missing");
      const answer = await getFile(agent.port, path);
      expect(answer.status).toBe(404);
      expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
      expect(JSON.parse(answer.body.toString())).toEqual({
        code: 404,
        message: `path '${path}' does not exist`,
      });
    });

    test("below a file is 404 (row 27)", async () => {
      const answer = await getFile(agent.port, `${fileWith()}/x`);
      expect(answer.status).toBe(404);
    });

    test("that is a directory is 400", async () => {
      const answer = await getFile(agent.port, createTempFolder());
      expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("is a directory")]);
    });

    test("that is empty is 400", async () => {
      const answer = await callFiles(agent.port, {});
      expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("is a directory")]);
    });

    test("that is a FIFO, a socket or a device is 400 and blocks nothing (row 24)", async () => {
      const folder = createTempFolder();
      execFileSync("mkfifo", [join(folder, "fifo")]);
      const server = createServer().listen(join(folder, "socket"));
      for (const path of [join(folder, "fifo"), join(folder, "socket"), "/dev/zero"]) {
        const answer = await getFile(agent.port, path);
        expect([answer.status, messageIn(answer)]).toEqual([400, `path '${path}' is not a regular file`]);
      }
      server.close();
    });

    test("of another user's home is 400", async () => {
      expect((await getFile(agent.port, "~root/x")).status).toBe(400);
    });

    test("longer than a path may be, or with a name longer than 255 bytes, is 400", async () => {
      expect((await getFile(agent.port, `/tmp/${"n".repeat(300)}`)).status).toBe(400);
      expect((await getFile(agent.port, `/tmp/${"n/".repeat(4000)}`)).status).toBe(400);
      expect((await getFile(agent.port, "/tmp/a\0b")).status).toBe(400);
    });
  });

  test("an unknown user is 401, and an empty user name means the default (row 47)", async () => {
    const path = fileWith();
    const unknown = await getFile(agent.port, path, {}, { username: "nobody-of-this-name" });
    expect([unknown.status, messageIn(unknown)]).toEqual([401, 'no such user: "nobody-of-this-name"']);
    expect((await getFile(agent.port, path, {}, { username: "" })).status).toBe(200);
    const basic = `Basic ${Buffer.from(":").toString("base64")}`;
    expect((await getFile(agent.port, path, { authorization: basic })).status).toBe(200);
  });

  test("a name that is not UTF-8 is found by its bytes", async () => {
    const folder = createTempFolder();
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), "bytes");
    const answer = await callFiles(agent.port, { path: `/files?path=${encodeURIComponent(folder)}/a%FF` });
    expect([answer.status, answer.body.toString()]).toEqual([200, "bytes"]);
    expect(answer.headers["content-disposition"]).toBe("inline; filename*=utf-8''a%FF");
  });

  test("a parameter that is given twice, or a malformed escape, is 400", async () => {
    expect((await callFiles(agent.port, { path: "/files?path=/a&path=/b" })).status).toBe(400);
    expect((await callFiles(agent.port, { path: "/files?path=%zz" })).status).toBe(400);
  });

  describe("the type", () => {
    test("is that of the file which was reached, not of a link to it (row 44)", async () => {
      const path = fileWith("{}", "data.json");
      symlinkSync(path, join(path, "..", "link.png"));
      const { headers } = await getFile(agent.port, join(path, "..", "link.png"));
      expect(headers["content-type"]).toBe("application/json; charset=utf-8");
    });

    test.each([
      ["plain text", "hello wörld", "text/plain; charset=utf-8"],
      ["bytes", Buffer.from([0, 1, 2, 3]), "application/octet-stream"],
    ])("of a file without an extension follows its first bytes: %s", async (_, content, type) => {
      const { headers } = await getFile(agent.port, fileWith(content, "README"));
      expect(headers["content-type"]).toBe(type);
    });

    test("does not let a page of the sandbox act as a page of the agent", async () => {
      const { headers } = await getFile(agent.port, fileWith("<script></script>", "x.html"));
      expect(headers).toMatchObject({
        "content-security-policy": "sandbox allow-scripts",
        "x-content-type-options": "nosniff",
      });
    });
  });

  describe("compression", () => {
    test.each([
      [undefined, undefined],
      ["gzip, deflate", undefined],
      ["gzip, deflate, br", undefined],
      ["*", undefined],
      ["gzip", "gzip"],
      ["GZIP;q=0.5", "gzip"],
      ["gzip;q=0.5, identity", undefined],
      ["gzip, identity;q=0.5", "gzip"],
      ["*, identity;q=0", "gzip"],
      ["deflate, gzip;q=0.1, identity;q=0", "gzip"],
      ["gzip;q=0", undefined],
    ])("with Accept-Encoding %s is %s", async (accept, coding) => {
      const answer = await getFile(
        agent.port,
        fileWith(),
        accept === undefined ? {} : { "accept-encoding": accept },
      );
      expect([answer.status, answer.headers["content-encoding"]]).toEqual([200, coding]);
      expect((coding === "gzip" ? gunzipSync(answer.body) : answer.body).toString()).toBe(TEXT);
    });

    test("that the client refuses altogether is 406", async () => {
      const accept = { "accept-encoding": "identity;q=0" };
      expect((await getFile(agent.port, fileWith(), accept)).status).toBe(406);
      const range = { "accept-encoding": "gzip, identity;q=0", range: "bytes=0-1" };
      expect((await getFile(agent.port, fileWith(), range)).status).toBe(406);
    });

    test("is left out for content that is compressed already (row 41)", async () => {
      const { headers } = await getFile(agent.port, fileWith("x", "a.zip"), { "accept-encoding": "gzip" });
      expect(headers["content-encoding"]).toBeUndefined();
    });

    test("has an ETag of its own", async () => {
      const path = fileWith();
      const plain = await getFile(agent.port, path);
      const compressed = await getFile(agent.port, path, { "accept-encoding": "gzip" });
      expect(compressed.headers.etag).not.toBe(plain.headers.etag);
    });

    test("has an ETag that names the version of the file in conditions", async () => {
      const path = fileWith();
      const { headers } = await getFile(agent.port, path, { "accept-encoding": "gzip" });
      const etag = headers.etag ?? "";
      const again = await getFile(agent.port, path, { "accept-encoding": "gzip", "if-none-match": etag });
      expect([again.status, again.headers.etag]).toEqual([304, etag]);
      // A range is of the uncompressed file, which the client does not have.
      const range = await getFile(agent.port, path, { range: "bytes=0-1", "if-range": etag });
      expect(range.status).toBe(200);
      expect((await putFile(agent.port, path, "new", { headers: { "if-match": etag } })).status).toBe(200);
      expect((await putFile(agent.port, path, "other", { headers: { "if-match": etag } })).status).toBe(412);
    });
  });

  describe("a range", () => {
    test.each([
      ["bytes=0-9", "bytes 0-9/100", "0123456789"],
      ["bytes=95-", "bytes 95-99/100", "56789"],
      ["bytes=-3", "bytes 97-99/100", "789"],
      ["bytes=98-1000", "bytes 98-99/100", "89"],
      ["bytes=-1000", "bytes 0-99/100", TEXT],
      ["bytes=98-18446744073709551615", "bytes 98-99/100", "89"],
    ])("%s is answered with %s", async (range, contentRange, content) => {
      const { status, headers, body } = await getFile(agent.port, fileWith(), { range });
      expect([status, headers["content-range"], body.toString()]).toEqual([206, contentRange, content]);
      expect(headers["content-length"]).toBe(String(content.length));
    });

    test.each([
      "bytes=5-2",
      "lines=1-2",
      "bytes=a-b",
      "bytes=",
      `bytes=${"0-0,".repeat(40)}`,
      "bytes=0-99,0-99",
    ])("%s is ignored", async (range) => {
      const { status, body } = await getFile(agent.port, fileWith(), { range });
      expect([status, body.length]).toEqual([200, 100]);
    });

    test("beyond the end is 416 with the size", async () => {
      const { status, headers } = await getFile(agent.port, fileWith(), { range: "bytes=100-" });
      expect([status, headers["content-range"]]).toEqual([416, "bytes */100"]);
    });

    test("of several parts is multipart/byteranges", async () => {
      const { status, headers, body } = await getFile(agent.port, fileWith(), { range: "bytes=0-1,50-52" });
      const [, boundary = ""] =
        /^multipart\/byteranges; boundary=(.+)$/.exec(headers["content-type"] ?? "") ?? [];
      expect(status).toBe(206);
      expect(headers["content-length"]).toBe(String(body.length));
      const part = (range: string, content: string) =>
        `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes ${range}/100\r\n\r\n${content}\r\n`;
      expect(body.toString()).toBe(`${part("0-1", "01")}${part("50-52", "012")}--${boundary}--\r\n`);
    });

    test("applies with If-Range only to the version that the client has", async () => {
      const path = fileWith();
      const { headers } = await getFile(agent.port, path);
      const range = (ifRange: string) =>
        getFile(agent.port, path, { range: "bytes=0-1", "if-range": ifRange });
      expect((await range(headers.etag ?? "")).status).toBe(206);
      expect((await range(headers["last-modified"] ?? "")).status).toBe(206);
      expect((await range('"other"')).status).toBe(200);
      expect((await range(`W/${headers.etag}`)).status).toBe(200);
    });
  });

  describe("a condition (row 43)", () => {
    test("that names the current version answers 304 or the file", async () => {
      const path = fileWith();
      const { headers } = await getFile(agent.port, path);
      const etag = headers.etag ?? "";
      expect((await getFile(agent.port, path, { "if-none-match": etag })).status).toBe(304);
      expect((await getFile(agent.port, path, { "if-none-match": `W/${etag}, "x"` })).status).toBe(304);
      expect(
        (await getFile(agent.port, path, { "if-modified-since": headers["last-modified"] ?? "" })).status,
      ).toBe(304);
      expect((await getFile(agent.port, path, { "if-match": etag })).status).toBe(200);
    });

    test("that names another version answers the file or 412", async () => {
      const path = fileWith();
      const old = "Mon, 01 Jan 2001 00:00:00 GMT";
      expect((await getFile(agent.port, path, { "if-none-match": '"x"' })).status).toBe(200);
      expect((await getFile(agent.port, path, { "if-modified-since": old })).status).toBe(200);
      expect((await getFile(agent.port, path, { "if-match": '"x"' })).status).toBe(412);
      expect((await getFile(agent.port, path, { "if-unmodified-since": old })).status).toBe(412);
    });

    test("fails after a write that changes neither size nor the second of the time", async () => {
      const path = fileWith();
      const { headers } = await getFile(agent.port, path);
      writeFileSync(path, TEXT.replace("0", "x"));
      expect((await getFile(agent.port, path, { "if-match": headers.etag ?? "" })).status).toBe(412);
    });
  });

  describe("Content-Disposition", () => {
    test.each([
      ["simple.txt", "inline; filename=simple.txt"],
      ["my file.txt", 'inline; filename="my file.txt"'],
      ['a"b.txt', 'inline; filename="a\\"b.txt"'],
      ["back\\slash", 'inline; filename="back\\\\slash"'],
      ["a;b.txt", 'inline; filename="a;b.txt"'],
      ["(1).txt", 'inline; filename="(1).txt"'],
      ["größe.txt", "inline; filename*=utf-8''gr%C3%B6%C3%9Fe.txt"],
      ["日本 語.txt", "inline; filename*=utf-8''%E6%97%A5%E6%9C%AC%20%E8%AA%9E.txt"],
    ])("of %s is %s", async (name, expected) => {
      const { headers } = await getFile(agent.port, fileWith("x", name));
      expect(headers["content-disposition"]).toBe(expected);
    });
  });

  test("a link is followed, and refused with no_follow", async () => {
    const path = fileWith();
    const link = join(path, "..", "link");
    symlinkSync(path, link);
    expect((await getFile(agent.port, link)).status).toBe(200);
    expect((await getFile(agent.port, link, {}, { no_follow: "true" })).status).toBe(400);
  });

  test("a file that becomes shorter while it is sent ends the connection instead of hanging (row 26)", async () => {
    const path = fileWith(Buffer.alloc(50_000_000), "shrinking");
    const connection = await openConnection(agent.port);
    connection.socket.pause();
    connection.send(requestBytes({ method: "GET", path: `/files?path=${path}` }));
    // The agent fills the kernel's buffers, and then waits for the client.
    await new Promise((resolve) => connection.socket.once("readable", resolve));
    truncateSync(path, 1000);
    connection.socket.resume();
    await connection.closed();
    expect(connection.received().length).toBeLessThan(50_000_000);
  });

  test("a file that grows while it is sent is sent up to the length that was promised (row 26)", async () => {
    const folder = createTempFolder();
    mkdirSync(join(folder, "d"));
    const path = join(folder, "growing");
    writeFileSync(path, Buffer.alloc(5_000_000, 1));
    const answering = getFile(agent.port, path);
    const grown = Buffer.alloc(10_000, 2);
    writeFileSync(path, grown, { flag: "a" });
    const { headers, body } = await answering;
    expect(body.length).toBe(Number(headers["content-length"]));
  });
});
