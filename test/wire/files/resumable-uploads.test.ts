// Uploads that are interrupted and continued at the offset that the agent names.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, type FileAnswer } from "../../support/clients/file-requests.ts";
import { openConnection, requestBytes } from "../../support/clients/raw-http.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  const CONTENT = Buffer.alloc(1_000_000, "0123456789abcdefghijklmnopqrstuvwxyz");
  const OLD = "old content";

  function existing(): string {
    const path = join(createTempFolder(), "file");
    writeFileSync(path, OLD);
    return path;
  }

  let count = 0;
  const newId = () => `upload-${process.pid}-${count++}`;

  function create(
    path: string,
    body: Uint8Array | string,
    complete: boolean,
    more: Record<string, string> = {},
  ) {
    return callFiles(agent.port, {
      method: "POST",
      query: { path, ...(more["id"] === undefined ? {} : { upload_id: more["id"] }) },
      headers: {
        "upload-complete": complete ? "?1" : "?0",
        ...(more["digest"] === undefined ? {} : { "repr-digest": more["digest"] }),
      },
      body,
    });
  }

  function append(
    location: string,
    offset: number,
    body: Uint8Array | string,
    complete: boolean,
    headers = {},
  ) {
    return callFiles(agent.port, {
      method: "PATCH",
      path: location,
      headers: {
        "content-type": "application/partial-upload",
        "upload-offset": String(offset),
        "upload-complete": complete ? "?1" : "?0",
        ...headers,
      },
      body,
    });
  }

  const look = (location: string) => callFiles(agent.port, { method: "HEAD", path: location });
  const digestOf = (content: Uint8Array) =>
    `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;
  const progress = ({ status, headers }: FileAnswer) => [
    status,
    headers["upload-offset"],
    headers["upload-complete"],
  ];

  /** Sends the rest, as a client does whose connection can be lost. */
  async function finish(location: string): Promise<void> {
    let answer = await look(location);
    while (answer.status !== 200) {
      expect([204, 409]).toContain(answer.status);
      const offset = Number(answer.headers["upload-offset"]);
      // A request that was cut can be handled late. Its bytes count: 409 says where to continue. Or it takes the upload over
      // from the request that runs, and the connection of that one is ended.
      answer = await append(location, offset, CONTENT.subarray(offset), true).catch((error: unknown) => {
        expect(["ECONNRESET", "EPIPE"]).toContain(Reflect.get(Object(error), "code"));
        return look(location);
      });
    }
  }

  test("an upload in parts is stored when the last part has arrived", async () => {
    const path = existing();
    const created = await create(path, CONTENT.subarray(0, 400_000), false);
    const location = created.headers.location ?? "";
    expect(progress(created)).toEqual([201, "400000", "?0"]);
    expect(progress(await append(location, 400_000, CONTENT.subarray(400_000, 400_001), false))).toEqual([
      204,
      "400001",
      "?0",
    ]);
    expect(readFileSync(path, "utf8")).toBe(OLD);
    const last = await append(location, 400_001, CONTENT.subarray(400_001), true);
    expect(progress(last)).toEqual([200, "1000000", "?1"]);
    expect(JSON.parse(last.body.toString())).toEqual([{ path, name: "file", type: "file" }]);
    expect(last.headers["repr-digest"]).toBe(digestOf(CONTENT));
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  test("an id of an upload to another path is refused, and both files are as they were", async () => {
    const [path, other] = [existing(), existing()];
    const id = newId();
    const first = await create(path, CONTENT, false, { id });
    expect(progress(await create(other, "x", true, { id }))).toEqual([409, undefined, undefined]);
    expect(progress(await append(first.headers.location ?? "", 1_000_000, "", true))[0]).toBe(200);
    const { status, body } = await create(other, "x", true, { id });
    expect([status, JSON.parse(body.toString()).message]).toEqual([409, expect.stringContaining(id)]);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(readFileSync(other, "utf8")).toBe(OLD);
  });

  test("digests by sha-512 are compared, and those of an unknown algorithm are ignored", async () => {
    const sha512 = (content: Uint8Array | string) =>
      `sha-512=:${createHash("sha512").update(content).digest("base64")}:`;
    const store = async (digest: string, more = {}) => {
      const path = existing();
      const created = await create(path, CONTENT.subarray(0, 400_000), false, { digest });
      if (created.status !== 201) return created.status;
      const rest = CONTENT.subarray(400_000);
      const { status } = await append(created.headers.location ?? "", 400_000, rest, true, more);
      expect(readFileSync(path).equals(status === 200 ? CONTENT : Buffer.from(OLD))).toBe(true);
      return status;
    };
    expect(await store(sha512(CONTENT))).toBe(200);
    expect(await store(sha512("other"))).toBe(400);
    expect(await store("md5=:1B2M2Y8AsgTpgAmY7PhCfg==:", { "repr-digest": sha512(CONTENT) })).toBe(200);
    expect(await store("md5=:1B2M2Y8AsgTpgAmY7PhCfg==:", { "repr-digest": sha512("other") })).toBe(400);
    expect(await store("not a digest")).toBe(400);
  });

  test("an upload in one request is stored at once", async () => {
    const path = existing();
    expect(progress(await create(path, CONTENT, true))).toEqual([200, "1000000", "?1"]);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  test("bytes of a request that was cut are accepted, and the client continues behind them", async () => {
    const path = existing();
    const id = newId();
    const connection = await openConnection(agent.port);
    const request = requestBytes({
      path: `/files?path=${path}&upload_id=${id}`,
      headers: { "upload-complete": "?1" },
      body: CONTENT,
    });
    connection.send(request.subarray(0, 700_000));
    let offset = 0;
    // HEAD ends the request that still runs, and then tells what arrived. The upload exists once its head has arrived.
    while (offset === 0) {
      const answer = await look(`/files/uploads/${id}`);
      offset = answer.status === 404 ? 0 : Number(answer.headers["upload-offset"]);
      if (answer.status === 204) break;
    }
    await connection.closed();
    expect(readFileSync(path, "utf8")).toBe(OLD);
    const last = await append(`/files/uploads/${id}`, offset, CONTENT.subarray(offset), true);
    expect(last.status).toBe(200);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  test("an upload that is cut at random again and again arrives exactly once", async () => {
    const path = existing();
    const id = newId();
    const random = seededRandom(7);
    const location = `/files/uploads/${id}`;
    await create(path, "", false, { id });
    for (let round = 0; round < 20; round++) {
      const offset = Number((await look(location)).headers["upload-offset"]);
      const connection = await openConnection(agent.port);
      const request = requestBytes({
        method: "PATCH",
        path: location,
        headers: { "upload-offset": String(offset), "upload-complete": "?1" },
        body: CONTENT.subarray(offset),
      });
      connection.send(request.subarray(0, 200 + Math.floor(random() * 60_000)));
      connection.cut();
      await connection.closed();
    }
    await finish(location);
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
  });

  test("a repeated part is refused with the offset to continue at, and applied once", async () => {
    const path = existing();
    const location = (await create(path, "0123456789", false)).headers.location ?? "";
    const again = await append(location, 0, "0123456789", false);
    expect(progress(again)).toEqual([409, "10", "?0"]);
    expect(JSON.parse(again.body.toString())).toMatchObject({
      code: 409,
      type: "https://iana.org/assignments/http-problem-types#mismatching-upload-offset",
      "expected-offset": 10,
      "provided-offset": 0,
    });
    expect((await append(location, 11, "x", false)).status).toBe(409);
    await append(location, 10, "", true);
    expect(readFileSync(path, "utf8")).toBe("0123456789");
  });

  test("a last part that is repeated after it was stored gets the same answer, and changes nothing", async () => {
    const path = existing();
    const id = newId();
    const first = await create(path, CONTENT, true, { id });
    writeFileSync(path, "changed by a program since");
    const again = await create(path, CONTENT, true, { id });
    const appended = await append(`/files/uploads/${id}`, 0, CONTENT, true);
    expect([again.status, appended.status]).toEqual([200, 200]);
    expect(again.body.toString()).toBe(first.body.toString());
    expect(readFileSync(path, "utf8")).toBe("changed by a program since");
  });

  describe("a digest", () => {
    test("of the whole that is wrong changes nothing", async () => {
      const path = existing();
      const digest = digestOf(Buffer.from("other"));
      const location =
        (await create(path, CONTENT.subarray(0, 10), false, { digest })).headers.location ?? "";
      expect((await append(location, 10, CONTENT.subarray(10), true)).status).toBe(400);
      expect(readFileSync(path, "utf8")).toBe(OLD);
      expect((await look(location)).status).toBe(404);
    });

    test("of one part that is wrong drops this part, which can be sent again", async () => {
      const path = existing();
      const location = (await create(path, CONTENT.subarray(0, 500_000), false)).headers.location ?? "";
      const rest = CONTENT.subarray(500_000);
      const damaged = Buffer.from(rest);
      damaged.writeUInt8(0xff, 1000);
      const digest = { "content-digest": digestOf(rest) };
      expect((await append(location, 500_000, damaged, true, digest)).status).toBe(400);
      expect(progress(await look(location))).toEqual([204, "500000", "?0"]);
      expect((await append(location, 500_000, rest, true, digest)).status).toBe(200);
      expect(readFileSync(path).equals(CONTENT)).toBe(true);
    });
  });

  test("a cancelled upload is gone and changed nothing", async () => {
    const path = existing();
    const location = (await create(path, CONTENT, false)).headers.location ?? "";
    expect((await callFiles(agent.port, { method: "DELETE", path: location })).status).toBe(204);
    expect((await look(location)).status).toBe(404);
    expect((await append(location, 1_000_000, "", true)).status).toBe(404);
    expect(readFileSync(path, "utf8")).toBe(OLD);
  });

  test.each([
    ["an Upload-Complete that is not a boolean", { "upload-complete": "yes" }],
    ["a Content-Encoding", { "upload-complete": "?1", "content-encoding": "gzip" }],
  ])("%s is 400", async (_, headers) => {
    const path = join(createTempFolder(), "file");
    const answer = await callFiles(agent.port, { method: "POST", query: { path }, headers, body: "x" });
    expect(answer.status).toBe(400);
    expect(existsSync(path)).toBe(false);
  });

  test("an id that is too short, and an offset that is not a number, are 400", async () => {
    expect((await create(existing(), "x", false, { id: "short" })).status).toBe(400);
    const location = (await create(existing(), "x", false)).headers.location ?? "";
    expect((await append(location, Number.NaN, "x", false)).status).toBe(400);
  });

  test("the 257th open upload is refused with a reason", async () => {
    const open = await startAgent({ args: ["--file-access", mode] });
    const path = join(createTempFolder(), "file");
    const start = () =>
      callFiles(open.port, {
        method: "POST",
        query: { path },
        headers: { "upload-complete": "?0" },
        body: "x",
      });
    for (let index = 0; index < 256; index++) expect((await start()).status).toBe(201);
    const refused = await start();
    expect([refused.status, refused.body.toString()]).toEqual([
      429,
      expect.stringContaining("256 resumable uploads"),
    ]);
  });

  test("of two requests that create the same upload at the same moment, one creates it", async () => {
    for (let round = 0; round < 20; round++) {
      const path = existing();
      const id = newId();
      const answers = await Promise.allSettled([
        create(path, CONTENT, false, { id }),
        create(path, CONTENT, false, { id }),
      ]);
      const created = answers.filter(
        (answer) => answer.status === "fulfilled" && answer.value.status === 201,
      );
      expect(created.length).toBeLessThan(2);
    }
  });

  test("a request that is repeated while its file is stored gets the same answer, and the file is stored once", async () => {
    const large = Buffer.alloc(64 * 1024 * 1024, "x");
    const path = join(createTempFolder(), "file");
    const id = newId();
    const query = { path, upload_id: id };
    const headers = { "if-none-match": "*" };
    const first = await callFiles(agent.port, {
      method: "POST",
      query,
      headers: { ...headers, "upload-complete": "?0" },
      body: large,
    });
    const location = String(first.headers["location"]);
    const last = () => append(location, large.length, "", true);
    // Stored twice, the second time would find the file.
    const answers = await Promise.all([last(), last(), last()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});
