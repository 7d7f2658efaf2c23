// Transfers of slow and stopped clients: no limit for the whole transfer, a limit for silence, and bounded memory.

import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { runCommand, startAgent } from "../../support/agent/agent.ts";
import { openAgentClock } from "../../support/agent/agent-clock.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, getFile } from "../../support/clients/file-requests.ts";
import { openConnection, type RawConnection, requestBytes } from "../../support/clients/raw-http.ts";
import { eventually, rssBytes } from "../../support/proc/proc.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const headers = { "content-type": "application/octet-stream" };
  const LARGE_BYTES = 50_000_000;

  function file(content: string | Uint8Array): string {
    const path = join(createTempFolder(), "file");
    writeFileSync(path, content);
    return path;
  }

  async function connected(port: number): Promise<RawConnection> {
    const connection = await openConnection(port);
    onTestFinished(() => connection.cut());
    return connection;
  }

  /** A download whose client does not read what the kernel does not hold. */
  async function stoppedDownload(port: number, path: string): Promise<RawConnection> {
    const connection = await connected(port);
    connection.socket.pause();
    connection.send(requestBytes({ method: "GET", path: `/files?path=${path}` }));
    return connection;
  }

  test("an upload that stops is answered 408 after the idle time, and the old file stays", async () => {
    const agent = await startAgent({ args: ["--file-access", mode, "--transfer-idle-timeout", "300ms"] });
    const path = file("old content");
    const connection = await connected(agent.port);
    const request = requestBytes({ path: `/files?path=${path}`, headers, body: "0123456789" });
    connection.send(request.subarray(0, -1));
    const { status, body } = await connection.response();
    expect([status, body.toString()]).toEqual([408, expect.stringContaining("--transfer-idle-timeout")]);
    await connection.closed();
    expect(readFileSync(path, "utf8")).toBe("old content");
  });

  test("an upload that is slower than the idle time in all, but never silent for so long, is stored (row 40)", async () => {
    const agent = await startAgent({ args: ["--file-access", mode, "--transfer-idle-timeout", "2500ms"] });
    const clock = await openAgentClock(agent);
    const path = file("old content");
    const connection = await connected(agent.port);
    const request = requestBytes({ path: `/files?path=${path}`, headers, body: "0123" });
    connection.send(request.subarray(0, -4));
    for (const byte of request.subarray(-4)) {
      await clock.seconds(1);
      connection.send(Buffer.of(byte));
    }
    expect((await connection.response()).status).toBe(200);
    expect(readFileSync(path, "utf8")).toBe("0123");
  });

  test("a download whose client accepts nothing ends after the idle time, and the log says why", async () => {
    const agent = await startAgent({ args: ["--file-access", mode, "--transfer-idle-timeout", "300ms"] });
    await stoppedDownload(agent.port, file(Buffer.alloc(LARGE_BYTES)));
    await agent.waitFor(
      "stderr",
      /a download was given up: its client accepted nothing \(--transfer-idle-timeout\)/,
    );
  });

  test.each(["TCP", "a Unix socket"])(
    "a download over %s whose client pauses again and again arrives byte for byte",
    async (transport) => {
      const socketPath = join(createTempFolder(), "socket");
      const isUnix = transport !== "TCP";
      const listen = isUnix ? ["--listen", `unix:${socketPath}`] : ["--port", "0"];
      const agent = runCommand({ args: ["serve", "--file-access", mode, ...listen] });
      const [, port] = await agent.waitFor("stdout", /^holdfast listening on \S+:(\S+)$/m);
      const content = Buffer.from(Uint32Array.from({ length: LARGE_BYTES / 4 }, (_, index) => index).buffer);
      const path = `/files?path=${file(content)}`;
      const request = get(isUnix ? { socketPath, path } : { port, path });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      const random = seededRandom(7);
      const pieces: Buffer[] = [];
      for await (const piece of response) {
        pieces.push(piece as Buffer);
        for (let turns = random() < 0.5 ? 0 : 30 * random(); turns > 0; turns--) await setImmediate();
      }
      expect(Buffer.concat(pieces).equals(content)).toBe(true);
    },
  );

  test("many stopped downloads use no more memory than the budget, and delay no other request", async () => {
    const agent = await startAgent({ args: ["--file-access", mode, "--memory-budget", "8MiB"] });
    const path = file(Buffer.alloc(LARGE_BYTES, 1));
    const small = file("small");
    await getFile(agent.port, small);
    const before = rssBytes(agent.pid);
    const stopped: RawConnection[] = [];
    for (let index = 0; index < 100; index++) {
      stopped.push(await stoppedDownload(agent.port, path));
      expect((await callFiles(agent.port, { path: "/health" })).status).toBe(204);
    }
    const answer = await getFile(agent.port, small);
    expect([200, 429]).toContain(answer.status);
    if (answer.status === 429) expect(answer.body.toString()).toContain("--memory-budget");
    expect(rssBytes(agent.pid) - before).toBeLessThan(60_000_000);
    for (const connection of stopped) connection.reset();
    let bytes = 0;
    await eventually(
      "the whole file, when the memory is free again",
      async () => {
        bytes = (await getFile(agent.port, path)).body.length;
        return bytes === LARGE_BYTES;
      },
      () => bytes,
    );
  });

  test("a large upload uses little memory", async () => {
    const agent = await startAgent({ args: ["--file-access", mode] });
    const path = file("");
    await getFile(agent.port, path);
    const before = rssBytes(agent.pid);
    const content = Buffer.alloc(LARGE_BYTES, 2);
    const answer = await callFiles(agent.port, { method: "POST", query: { path }, headers, body: content });
    expect(answer.status).toBe(200);
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(rssBytes(agent.pid) - before).toBeLessThan(60_000_000);
  });

  test("clients that reset their connection at any moment of any transfer never end the agent", async () => {
    const agent = await startAgent({ args: ["--file-access", mode] });
    const random = seededRandom(11);
    const content = Buffer.alloc(2_000_000, "some content ");
    const path = file(content);
    const folder = join(path, "..");
    const requests = [
      requestBytes({ method: "GET", path: `/files?path=${path}` }),
      requestBytes({ method: "GET", path: `/files?path=${path}`, headers: { "accept-encoding": "gzip" } }),
      requestBytes({
        method: "GET",
        path: `/files?path=${path}`,
        headers: { range: "bytes=0-900000,1000000-" },
      }),
      requestBytes({ method: "GET", path: `/files?path=${folder}&format=tar.gz` }),
      requestBytes({ path: `/files?path=${path}-new`, headers, body: content }),
      requestBytes({
        path: `/files?path=${path}-gz`,
        headers: { ...headers, "content-encoding": "gzip" },
        body: gzipSync(content),
      }),
      requestBytes({
        path: "/files",
        headers: { "content-type": "multipart/form-data; boundary=b" },
        body: `--b\r\nContent-Disposition: form-data; name="file"; filename="${path}-form"\r\n\r\n${content}\r\n--b--\r\n`,
      }),
      requestBytes({ path: `/files?path=${path}-part`, headers: { "upload-complete": "?1" }, body: content }),
      requestBytes({ path: `/files?path=${folder}/out&format=tar`, body: content }),
    ];
    for (let round = 0; round < 12; round++) {
      for (const request of requests) {
        const connection = await openConnection(agent.port);
        const isDownload = request.length < 1000;
        connection.send(isDownload ? request : request.subarray(0, Math.ceil(request.length * random())));
        if (isDownload && random() < 0.8)
          await connection.until("a part of the answer", ({ length }) => length > 0 || undefined);
        connection.reset();
      }
    }
    expect((await callFiles(agent.port, { path: "/health" })).status).toBe(204);
    expect((await getFile(agent.port, path)).body.equals(content)).toBe(true);
    expect(readdirSync(folder).filter((name) => name !== "out")).toEqual(["file"]);
    expect(agent.stderr()).not.toContain('"level":"error"');
  });
});
