// Something between client and agent answers in place of the agent: a proxy without an agent behind it, a page for a login, a
// redirect. A client retries what passes, names what does not, and never takes a page for a file.

import { once } from "node:events";
import { createServer, request as httpRequest, type OutgoingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { createClient as createBrowserClient } from "../../src/client/browser.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo } from "./test-client.ts";

const agent = agentForFile();
const LOGIN = "<html>Please log in</html>";
const html = { "Content-Type": "text/html" };

interface Page {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

test.each([408, 502, 520, 524, 530])("six HTTP %d in a row are retried", async (status) => {
  const proxy = await startProxy();
  const client = connectTo(proxy.url);
  const path = `${createTempFolder()}/file`;
  await client.files.write(path, "content");
  proxy.answerNext(6, { status, headers: html, body: LOGIN });
  await expect(client.list()).resolves.toEqual([]);
  proxy.answerNext(6, { status, headers: html, body: LOGIN });
  await expect(client.files.readText(path)).resolves.toBe("content");
});

test("a redirect is an error that names its target", async () => {
  const proxy = await startProxy();
  const client = connectTo(proxy.url);
  const message =
    'HTTP 302, a redirect to "https://login.example/": give the client the address of the agent itself';
  for (const call of [
    () => client.list(),
    () => client.start({ cmd: "true" }),
    () => client.files.read("/etc/hostname"),
  ]) {
    proxy.answerNext(5, { status: 302, headers: { Location: "https://login.example/" } });
    await expect(call()).rejects.toMatchObject({
      code: "unknown",
      message: expect.stringContaining(message),
    });
  }
});

test("a page is never the content of a file or an archive", async () => {
  const proxy = await startProxy();
  const path = `${createTempFolder()}/file`;
  const page = { status: 200, headers: { ...html, "Content-Length": LOGIN.length }, body: LOGIN };
  const browserClient = createBrowserClient({ baseUrl: proxy.url, reconnect: { initialDelayMs: 5 } });
  onTestFinished(() => browserClient.close());
  for (const { files } of [connectTo(proxy.url), browserClient]) {
    await files.write(path, "content");
    proxy.answerNext(1, page);
    await expect(files.readText(path)).resolves.toBe("content");
    proxy.answerNext(5, page);
    await expect(files.read(path)).rejects.toMatchObject({
      code: "unknown",
      message: "the answer (text/html) has neither ETag nor Last-Modified: it is not a file of the agent",
    });
    proxy.answerNext(5, page);
    await expect(files.downloadDirectory("/tmp")).rejects.toMatchObject({
      code: "unknown",
      message: "the answer (text/html) is not the agent's, whose type begins with application/",
    });
    proxy.answerNext(1, page);
    await expect(files.uploadDirectory(createTempFolder(), new Blob(["x"]))).rejects.toMatchObject({
      code: "unknown",
      message: "the answer (text/html) is not the agent's, whose type begins with application/x-ndjson",
    });
  }
});

test("a page in the middle of a download does not mean that the file has changed", async () => {
  const proxy = await startProxy();
  const { files } = connectTo(proxy.url);
  const path = `${createTempFolder()}/file`;
  const content = Buffer.alloc(4_000_000, "abc");
  await files.write(path, content);
  const download = await files.download(path);
  const pieces: Uint8Array[] = [];
  for await (const piece of download) {
    if (pieces.length === 0) {
      proxy.answerNext(1, { status: 200, headers: html, body: LOGIN });
      proxy.cut();
    }
    pieces.push(piece);
  }
  expect(Buffer.concat(pieces).equals(content)).toBe(true);
  expect(proxy.pagesLeft).toBe(0);
});

test("content that a proxy compresses is refused: its bytes are not those of the file", async () => {
  const proxy = await startProxy();
  const body = gzipSync("content");
  proxy.answerNext(1, {
    status: 200,
    headers: { ETag: '"1"', "Content-Encoding": "gzip", "Content-Length": body.length },
    body,
  });
  await expect(connectTo(proxy.url).files.read("/etc/hostname")).rejects.toMatchObject({
    code: "unimplemented",
    message: expect.stringContaining("compressed (gzip)"),
  });
});

/** Passes requests on to the agent, except for the next ones after `answerNext`. */
async function startProxy() {
  let pages: Page[] = [];
  const server = createServer((request, response) => {
    const page = pages.shift();
    if (page !== undefined) {
      request.resume();
      response.writeHead(page.status, page.headers).end(page.body);
      return;
    }
    const { method, url: path, headers } = request;
    const passed = httpRequest({ port: agent.port, method, path, headers });
    passed.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    for (const end of [request, response, passed]) end.on("error", () => passed.destroy());
    request.pipe(passed);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answerNext: (count: number, page: Page) => {
      pages = Array.from({ length: count }, () => page);
    },
    cut: () => server.closeAllConnections(),
    get pagesLeft() {
      return pages.length;
    },
  };
}
