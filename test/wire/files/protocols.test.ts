// The RPCs on files over every protocol, HTTP version, codec and compression of Connect-ES, and transfers over HTTP/2.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { join } from "node:path";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { EventType, Filesystem, FileType } from "../../../src/gen/filesystem_pb.ts";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, messageIn } from "../../support/clients/file-requests.ts";
import { type OpenTransport, transportKinds } from "../../support/clients/transports.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const LARGE = Buffer.alloc(3_000_000, "large content ");

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  describe.each(transportKinds)("$name:", (kind) => {
    let open: OpenTransport;
    let client: Client<typeof Filesystem>;
    beforeAll(() => {
      open = kind.open(agent.url);
      client = createClient(Filesystem, open.transport);
    });
    afterAll(() => open.close());

    test("entries are made, shown, listed, moved and removed", async () => {
      const folder = createTempFolder();
      const path = join(folder, "a");
      expect((await client.makeDir({ path })).entry).toMatchObject({ path, type: FileType.DIRECTORY });
      writeFileSync(join(path, "é"), "12345");
      const { entry } = await client.stat({ path: join(path, "é") });
      expect(entry).toMatchObject({ name: "é", size: 5n, permissions: "-rw-r--r--" });
      expect(entry?.modifiedTime?.seconds).toBeGreaterThan(1_600_000_000n);
      expect((await client.listDir({ path: folder, depth: 2 })).entries.map(({ name }) => name)).toEqual([
        "a",
        "é",
      ]);
      expect((await client.listDir({ path: folder, pageSize: 1, depth: 2 })).nextPage).not.toBe("");
      expect((await client.listDir({ path: join(folder, "a") })).entries[0]).toEqual(entry);
      await client.move({ source: path, destination: join(folder, "b") });
      await client.remove({ path: join(folder, "b") });
      expect(await client.listDir({ path: folder })).toMatchObject({ entries: [], nextPage: "" });
    });

    test("a watch has its events as a stream and by polls", async () => {
      const path = createTempFolder();
      const { watcherId } = await client.createWatcher({ path });
      const leaving = new AbortController();
      onTestFinished(() => leaving.abort());
      const stream = client.watchDir({ path, includeEntry: true }, { signal: leaving.signal });
      const events = stream[Symbol.asyncIterator]();
      expect((await events.next()).value?.event.case).toBe("start");
      mkdirSync(join(path, "new"));
      const { value } = await events.next();
      expect(value?.event.value).toMatchObject({
        name: "new",
        type: EventType.CREATE,
        entry: { type: FileType.DIRECTORY },
      });
      const polled = await client.getWatcherEvents({ watcherId });
      expect(polled.events.map(({ name, type }) => [name, type])).toEqual([["new", EventType.CREATE]]);
      await client.removeWatcher({ watcherId });
    });

    test("an error has its code and names the path", async () => {
      const folder = createTempFolder();
      writeFileSync(join(folder, "file"), "");
      const missing = join(folder, "missing-é");
      const cases: readonly (readonly [Promise<unknown>, Code, string])[] = [
        [client.stat({ path: missing }), Code.NotFound, missing],
        [client.listDir({ path: missing }), Code.NotFound, missing],
        [client.listDir({ path: join(folder, "file") }), Code.InvalidArgument, "not a directory"],
        [client.listDir({ path: folder, page: "?" }), Code.InvalidArgument, "page is not a next_page"],
        [client.makeDir({ path: folder }), Code.AlreadyExists, folder],
        [client.move({ source: missing, destination: "/x" }), Code.NotFound, missing],
        [client.remove({ path: "" }), Code.InvalidArgument, "is empty"],
        [client.createWatcher({ path: missing }), Code.NotFound, missing],
        [client.getWatcherEvents({ watcherId: "w1" }), Code.NotFound, 'no watcher "w1"'],
        [client.removeWatcher({ watcherId: "w1" }), Code.NotFound, 'no watcher "w1"'],
        [client.watchDir({ path: missing })[Symbol.asyncIterator]().next(), Code.NotFound, missing],
      ];
      const settled = await Promise.allSettled(cases.map(([call]) => call));
      for (const [index, [, code, text]] of cases.entries()) {
        const result = settled[index];
        const error = result?.status === "rejected" ? ConnectError.from(result.reason) : undefined;
        expect([index, error?.code]).toEqual([index, code]);
        expect(error?.rawMessage).toContain(text);
      }
    });
  });

  describe("over HTTP/2", () => {
    let session: ClientHttp2Session;
    beforeAll(() => {
      session = connect(agent.url, { maxSessionMemory: 1000 });
    });
    afterAll(() => session.close());

    interface Http2Answer {
      readonly headers: IncomingHttpHeaders & { readonly ":status"?: number | undefined };
      readonly body: Buffer;
    }

    function call(
      method: string,
      query: Record<string, string>,
      body?: Buffer,
      path = "/files",
    ): Promise<Http2Answer> {
      return new Promise((resolve, reject) => {
        const stream = session.request(
          {
            ":method": method,
            ":path": `${path}?${new URLSearchParams(query)}`,
            "content-type": "application/octet-stream",
          },
          { endStream: body === undefined },
        );
        const pieces: Buffer[] = [];
        let headers: Http2Answer["headers"] = {};
        stream.on("response", (received) => {
          headers = received;
        });
        stream.on("data", (piece: Buffer) => pieces.push(piece));
        stream.on("error", reject);
        stream.on("end", () => resolve({ headers, body: Buffer.concat(pieces) }));
        if (body !== undefined) stream.end(body);
      });
    }

    test("files are uploaded and downloaded, many at the same time on one connection", async () => {
      const folder = createTempFolder();
      await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const content = LARGE.subarray(index);
          const path = join(folder, String(index));
          expect((await call("POST", { path }, content)).headers[":status"]).toBe(200);
          const { headers, body } = await call("GET", { path });
          expect([headers[":status"], headers["content-length"]]).toEqual([200, String(content.length)]);
          expect(body.equals(content)).toBe(true);
        }),
      );
    });

    test("a directory is downloaded and uploaded again", async () => {
      const folder = createTempFolder();
      mkdirSync(join(folder, "tree/sub"), { recursive: true });
      writeFileSync(join(folder, "tree/sub/file"), LARGE);
      const { body } = await call("GET", { path: join(folder, "tree"), format: "tar.gz" });
      const copy = join(folder, "copy");
      expect((await call("POST", { path: copy, format: "tar.gz" }, body)).headers[":status"]).toBe(200);
      expect(readFileSync(join(copy, "sub/file")).equals(LARGE)).toBe(true);
    });

    test("a refusal before the body arrives is an answer, and the connection continues", async () => {
      const folder = createTempFolder();
      for (let round = 0; round < 3; round++) {
        const { headers, body } = await call("POST", { path: folder }, LARGE);
        expect([headers[":status"], body.toString()]).toEqual([
          400,
          expect.stringContaining("is a directory"),
        ]);
      }
      expect((await call("GET", {}, undefined, "/health")).headers[":status"]).toBe(204);
    });

    test("a stream that is reset leaves the old file", async () => {
      const folder = createTempFolder();
      const path = join(folder, "file");
      writeFileSync(path, "old");
      const stream = session.request({
        ":method": "POST",
        ":path": `/files?path=${path}`,
        "content-type": "application/octet-stream",
        // Node's client can end the body before it resets the stream.
        "content-length": String(LARGE.length + 1),
      });
      stream.on("error", () => undefined);
      const closed = new Promise((resolve) => stream.once("close", resolve));
      stream.write(LARGE, () => stream.close(8));
      await closed;
      expect((await call("GET", { path })).body.toString()).toBe("old");
      expect(readdirSync(folder)).toEqual(["file"]);
    });
  });

  describe("CORS", () => {
    test.each([
      ["GET", {}],
      ["POST", { "content-type": "application/octet-stream" }],
    ])("a page of an origin that is not allowed gets no answer (%s)", async (method, headers) => {
      const answer = await callFiles(agent.port, {
        method,
        query: { path: "/etc/hostname" },
        headers: { ...headers, origin: "https://page.example" },
      });
      expect([answer.status, messageIn(answer)]).toEqual([
        403,
        expect.stringContaining("https://page.example"),
      ]);
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    });

    test("a page of an allowed origin may send and read what uploads and downloads need", async () => {
      const origin = "https://app.example";
      const allowing = await startAgent({ args: ["--file-access", mode, "--allow-origin", origin] });
      const path = join(createTempFolder(), "file");
      for (const [method, target] of [
        ["POST", "/files"],
        ["PATCH", "/files/uploads/some-id-of-mine"],
        ["DELETE", "/files/uploads/some-id-of-mine"],
        ["POST", "/filesystem.Filesystem/ListDir"],
      ] as const) {
        const preflight = await callFiles(allowing.port, {
          method: "OPTIONS",
          path: target,
          headers: {
            origin,
            "access-control-request-method": method,
            "access-control-request-headers": "content-type,upload-offset,x-metadata-a",
          },
        });
        expect([target, preflight.status]).toEqual([target, 204]);
        expect(preflight.headers["access-control-allow-methods"]).toContain(method);
        expect(preflight.headers["access-control-allow-origin"]).toBe(origin);
      }
      const stored = await callFiles(allowing.port, {
        method: "POST",
        query: { path },
        headers: { origin, "content-type": "application/octet-stream" },
        body: "x",
      });
      const { "access-control-expose-headers": exposed = "" } = stored.headers;
      for (const name of ["ETag", "Content-Range", "Content-Disposition", "Upload-Offset", "Location"])
        expect(exposed.toLowerCase()).toContain(name.toLowerCase());
    });
  });
});
