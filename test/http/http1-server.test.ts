// A connection whose beginning waits for a later turn of the event loop can break before.

import { connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createHttp1Server } from "../../src/http/connection/http1-server.ts";
import { ReadTurns } from "../../src/http/connection/read-turns.ts";
import { DEFAULT_HTTP_LIMITS } from "../../src/http/limits.ts";

/** Begins nothing until it is told to. */
class LateTurns extends ReadTurns {
  readonly begins: (() => void)[] = [];
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
