// Hundreds of connections, and of requests on one connection, that come at once: they begin one after the other, and each is
// answered.

import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { runCommand, startAgent } from "../support/agent/agent.ts";
import { killAll } from "../support/agent/running-processes.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { eventually, fdCount } from "../support/proc/proc.ts";

const COUNT = 300;
const file = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));

/** Resolves with the status line and what else comes until the agent closes the connection. */
function answerOn(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket
      .on("data", (data) => {
        text += data;
      })
      .on("end", () => resolve(text))
      .on("error", reject);
    socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  });
}

test("300 connections at once are all answered", async () => {
  const { port, pid } = await startAgent();
  const before = fdCount(pid);
  const answers = await Promise.all(
    Array.from({ length: COUNT }, () => answerOn(connectPlain(port, "127.0.0.1"))),
  );
  expect(answers.filter((answer) => answer.startsWith("HTTP/1.1 204 "))).toHaveLength(COUNT);
  await eventually(
    "the descriptors are closed",
    () => fdCount(pid) <= before,
    () => fdCount(pid),
  );
});

test("300 connections at once that break while they wait leave nothing behind", async () => {
  const { port, pid } = await startAgent();
  const before = fdCount(pid);
  await Promise.all(
    Array.from(
      { length: COUNT },
      () =>
        new Promise<void>((resolve) => {
          const socket = connectPlain(port, "127.0.0.1", () => {
            socket.write("GET /health HT");
            socket.resetAndDestroy();
          });
          socket.on("close", () => resolve());
        }),
    ),
  );
  await eventually(
    "the descriptors are closed",
    () => fdCount(pid) <= before,
    () => fdCount(pid),
  );
  expect(await answerOn(connectPlain(port, "127.0.0.1"))).toMatch(/^HTTP\/1.1 204 /);
});

test("300 connections with TLS at once are all answered", async () => {
  const agent = runCommand({
    args: ["serve", "--port", "0", "--tls-cert", file("cert"), "--tls-key", file("key")],
  });
  const [, url = ""] = await agent.waitFor("stdout", /^holdfast listening on (https:\S+)\n/m);
  const port = Number(new URL(url).port);
  const ca = readFileSync(file("cert"));
  const answers = await Promise.all(
    Array.from({ length: COUNT }, () => answerOn(connectTls({ port, host: "127.0.0.1", ca }))),
  );
  expect(answers.filter((answer) => answer.startsWith("HTTP/1.1 204 "))).toHaveLength(COUNT);
});

test("a client may have 128 open streams on an HTTP/2 connection, and more as soon as it has nearly as many", async () => {
  const { url, port } = await startAgent({
    args: ["--max-streams", "1000", "--max-streams-per-process", "1000"],
  });
  onTestFinished(() => killAll(url));
  const session = connectHttp2(url);
  onTestFinished(() => session.destroy());
  const limits: unknown[] = [];
  session.on("remoteSettings", ({ maxConcurrentStreams }) => limits.push(maxConcurrentStreams));
  const start = () =>
    new Promise((resolve, reject) => {
      const stream = session.request({
        ":method": "POST",
        ":path": "/process.Process/Connect",
        "content-type": "application/connect+json",
      });
      const message = Buffer.from('{"process":{"tag":"all"}}');
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.length, 1);
      stream.end(Buffer.concat([head, message]));
      stream.once("data", resolve).on("error", reject);
    });
  await startAndLeave(port, { process: { cmd: "sleep", args: ["600"] }, tag: "all" });
  await Promise.all(Array.from({ length: 1000 }, start));
  expect(limits[0]).toBe(128);
  expect(limits).toEqual([...limits].sort((a, b) => Number(a) - Number(b)));
  // Those that are open, and 128 more of which at most half are used.
  expect(limits.at(-1)).toBeGreaterThanOrEqual(1064);
  expect(limits.at(-1)).toBeLessThanOrEqual(1128);
});

test("with 20 idle HTTP/2 connections, a new client may send a hundred requests before it knows the agent's settings", async () => {
  const { url } = await startAgent();
  const ask = (session: ReturnType<typeof connectHttp2>) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":path": "/health" });
      stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
    });
  const open = () => {
    const session = connectHttp2(url);
    onTestFinished(() => session.destroy());
    return session;
  };
  for (let i = 0; i < 20; i++) expect(await ask(open())).toBe(204);
  const session = open();
  const statuses = await Promise.all(Array.from({ length: 100 }, () => ask(session)));
  expect(statuses.filter((status) => status === 204)).toHaveLength(100);
});

test("300 requests at once on one HTTP/2 connection are all answered", async () => {
  const { url } = await startAgent();
  const session = connectHttp2(url);
  onTestFinished(() => session.destroy());
  const ask = () =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":path": "/health" });
      stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
    });
  for (let round = 0; round < 10; round++) {
    const statuses = await Promise.all(Array.from({ length: COUNT }, ask));
    expect(statuses.filter((status) => status === 204)).toHaveLength(COUNT);
  }
});
