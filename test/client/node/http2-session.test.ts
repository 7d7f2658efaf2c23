// The HTTP/2 connection under all streams: pinged, dropped when it is dead, and kept when it is
// slow.

import type { ClientHttp2Stream } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { Http2Session } from "../../../src/client/node/http2-session.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { untilFound } from "../../support/until-found.ts";
import { agentForFile } from "../file-agent.ts";
import { connectTo } from "../test-client.ts";

const agent = agentForFile();

test("a silent connection fails its streams, unread ones included, and the next request makes another", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const session = openSession(proxy.url, 200);
  const stream = await openStream(session);
  const failed = new Promise((resolve) => stream.once("error", resolve));
  proxy.cut("silent");
  await expect(failed).resolves.toMatchObject({ message: "no answer to a ping for 400 ms" });
  expect(await statusOf(session)).toBe(404);
  expect(proxy.connections).toBe(2);
});

test("a program that was itself busy for longer than an interval keeps its connection", async () => {
  const proxy = await startCuttingProxy({ port: agent.port });
  const session = openSession(proxy.url, 200);
  const stream = await openStream(session);
  stream.on("error", () => {
    // The test reads the stream's state below.
  });
  beBusy(300);
  // Node runs timers before sockets: in the second turn a ping is due, and its answer is read only
  // after the next ping is due.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  beBusy(300);
  expect(await statusOf(session)).toBe(404);
  expect({ closed: stream.closed, connections: proxy.connections }).toEqual({
    closed: false,
    connections: 1,
  });
});

test("an unread stream does not block the streams beside it", async () => {
  const client = connectTo(agent.url, { httpVersion: "2" });
  const unread = await client.start({ cmd: "yes" });
  await unread[Symbol.asyncIterator]().next();
  await untilFound(
    async () => ((await client.list())[0]?.reading === false ? true : undefined),
    () => client.list(),
  );
  const process = await client.start({ cmd: "head", args: ["-c", "1000000", "/dev/zero"] });
  await expect(process.discardOutput()).resolves.toMatchObject({ exitCode: 0, offset: 1_000_000 });
});

function beBusy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function openSession(url: string, keepaliveMs: number): Http2Session {
  const session = new Http2Session(url, keepaliveMs);
  onTestFinished(() => session.abort());
  return session;
}

/** A stream that waits for input, so it stays open until its connection ends. */
async function openStream(session: Http2Session): Promise<ClientHttp2Stream> {
  // Now the connection is established.
  expect(await statusOf(session)).toBe(404);
  return session.request("POST", "/process.Process/StreamInput", {
    "content-type": "application/connect+proto",
  });
}

async function statusOf(session: Http2Session): Promise<number | undefined> {
  const stream = await session.request("GET", "/nothing", {});
  stream.end().resume();
  return new Promise((resolve, reject) => {
    stream.once("response", (headers) => resolve(headers[":status"]));
    stream.once("error", reject);
  });
}
