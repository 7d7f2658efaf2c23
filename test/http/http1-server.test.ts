// Connections that are held while a turn of the event loop reads for long lose nothing, with TLS and without, and one whose
// beginning waits for a later turn can break before.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { isBodyFull } from "../../src/http/connection/early-answer.ts";
import { createHttp1Server } from "../../src/http/connection/http1-server.ts";
import { ReadTurns } from "../../src/http/connection/read-turns.ts";
import { DEFAULT_HTTP_LIMITS } from "../../src/http/limits.ts";
import { eventually } from "../support/proc/proc.ts";

/** Begins nothing until it is told to. */
class LateTurns extends ReadTurns {
  readonly begins: (() => void)[] = [];
  held = false;
  override isHeld(): boolean {
    return this.held;
  }
  override add(_: unknown, begin: () => void): void {
    this.begins.push(begin);
  }
}

async function acceptedLate() {
  const turns = new LateTurns();
  const paths: (string | undefined)[] = [];
  const http1 = createHttp1Server({
    listener: (request, response) => {
      paths.push(request.url);
      response.end();
    },
    limits: DEFAULT_HTTP_LIMITS,
    turns,
    onRequest: undefined,
    onGarbage: undefined,
    endsConnections: () => false,
  });
  const server = createServer();
  const accepted = new Promise<Socket>((resolve) => {
    server.once("connection", (socket) => {
      http1.accept(socket, false);
      resolve(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const client = connect((server.address() as { port: number }).port, "127.0.0.1");
  onTestFinished(() => void client.destroy());
  client.on("error", () => undefined);
  return { client, socket: await accepted, turns, paths };
}

test("a connection that breaks before it begins closes, and nothing else happens", async () => {
  const { client, socket } = await acceptedLate();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  client.resetAndDestroy();
  expect(await closed).toBe(true);
});

test("a connection that begins late is served", async () => {
  const { client, turns, paths } = await acceptedLate();
  client.write("GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (const begin of turns.begins) begin();
  await new Promise((resolve) => client.once("data", resolve));
  expect(paths).toEqual(["/late"]);
});

const tlsFile = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url)));

/** Blocks the event loop. */
function work(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test.each(["plain", "TLS"])(
  "while turns are long, pipelined requests and an upload are answered completely (%s)",
  async (kind) => {
    const http1 = createHttp1Server({
      listener: (request, response) => {
        work(0.3);
        let bytes = 0;
        if (request.method === "GET") return void response.end("answer");
        request.on("data", (piece: Buffer) => {
          work(3);
          bytes += piece.length;
        });
        request.on("end", () => response.end(`${bytes} bytes`));
      },
      limits: DEFAULT_HTTP_LIMITS,
      turns: new ReadTurns({ isBodyFull: (socket) => isBodyFull(socket as Socket) }),
      onRequest: undefined,
      onGarbage: undefined,
      endsConnections: () => false,
    });
    const accept = (socket: Socket) => http1.accept(socket, false);
    const server =
      kind === "TLS"
        ? createTlsServer({ cert: tlsFile("cert"), key: tlsFile("key") }, accept)
        : createServer(accept);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const open = () =>
      kind === "TLS"
        ? connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false })
        : connect(port, "127.0.0.1");
    const ask = async (bytes: string | Buffer, isDone: (answer: string) => boolean) => {
      const client = open();
      onTestFinished(() => void client.destroy());
      client.write(bytes);
      let answer = "";
      for await (const piece of client) {
        answer += piece;
        if (isDone(answer)) return;
      }
      throw new Error(`closed after ${answer.length} bytes: ${answer.slice(-200)}`);
    };
    const size = 2 * 1024 * 1024;
    const upload = Buffer.concat([
      Buffer.from(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n`),
      Buffer.alloc(size),
    ]);
    const pipelined = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    await Promise.all([
      ...[1, 2, 3].map(() => ask(pipelined, (answer) => answer.split("answer").length === 201)),
      ...[1, 2, 3].map(() => ask(upload, (answer) => answer.includes(`${size} bytes`))),
    ]);
  },
  30_000,
);

test("the time limit for headers does not pass while a connection is held", async () => {
  const turns = new LateTurns();
  const http1 = createHttp1Server({
    listener: (_, response) => void response.end(),
    limits: { ...DEFAULT_HTTP_LIMITS, headersMs: 1 },
    turns,
    onRequest: undefined,
    onGarbage: undefined,
    endsConnections: () => false,
  });
  const server = createServer((socket) => http1.accept(socket, false));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const client = connect((server.address() as { port: number }).port, "127.0.0.1");
  onTestFinished(() => void client.destroy());
  client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await eventually(
    "the connection waits",
    () => turns.begins.length === 1,
    () => turns.begins.length,
  );
  http1.checkTimes();
  for (const begin of turns.begins) begin();
  turns.held = true;
  http1.checkTimes();
  const [first] = await once(client, "data");
  expect(String(first)).toMatch(/^HTTP\/1.1 200 /);
});
