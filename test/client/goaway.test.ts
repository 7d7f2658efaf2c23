// The other side ends connections on purpose: at its shutdown, or when a proxy is replaced.

import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { ConnectionState } from "../../src/client/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { untilFound } from "../support/until-found.ts";
import { dataEvent, endEvent, serveScript, startEvent } from "./scripted-agent.ts";
import { connectTo } from "./test-client.ts";

const SPREAD_MS = 8000;

/** A client that tries again at half of its wait. */
function spreadClient(url: string, httpVersion: "1.1" | "2") {
  const clock = new FakeClock();
  const reconnect = {
    clock,
    random: () => 0.5,
    spreadMs: SPREAD_MS,
    initialDelayMs: 2,
    keepaliveSeconds: 1000,
  };
  const states: ConnectionState[] = [];
  const client = connectTo(url, { httpVersion, reconnect });
  return { clock, client, states, onState: (state: ConnectionState) => void states.push(state) };
}

const reconnecting = (states: readonly ConnectionState[]) =>
  untilFound(
    () => states.find((state) => state.kind === "reconnecting"),
    () => states,
  );

/** Relays to `port`, and adds an HTTP/2 GOAWAY without an error to each connection at the test's request. */
async function serveGoaway(port: number) {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    const agent = connect(port, "127.0.0.1");
    clients.add(client);
    for (const socket of [client, agent]) socket.on("error", () => socket.destroy());
    client.pipe(agent).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  const GOAWAY = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    goaway: () => {
      for (const client of clients) client.end(GOAWAY);
    },
  };
}

test("after a GOAWAY the first wait of an attached process is spread", async () => {
  let streams = 0;
  const agentUrl = await serveScript(
    {
      async *start() {
        yield { event: { event: startEvent(0) } };
        await new Promise(() => undefined);
      },
      async *connect() {
        streams++;
        for (const event of [startEvent(0), dataEvent("later", 0), endEvent(5)]) yield { event: { event } };
      },
    },
    "2",
  );
  const proxy = await serveGoaway(Number(new URL(agentUrl).port));
  const { clock, client, states, onState } = spreadClient(proxy.url, "2");
  const process = await client.start({ cmd: "x" }, { onState });
  const exit = process.discardOutput();
  proxy.goaway();
  expect(await reconnecting(states)).toMatchObject({ attempt: 1, delayMs: SPREAD_MS / 2 });
  expect(streams).toBe(0);
  clock.advance(SPREAD_MS / 2);
  expect(await exit).toMatchObject({ offset: 5 });
});

test.each(["1.1", "2"] as const)(
  "after a clean end without an end event the first wait is spread, over HTTP/%s",
  async (httpVersion) => {
    const url = await serveScript(
      {
        async *start() {
          yield { event: { event: startEvent(0) } };
        },
        async *connect() {
          for (const event of [startEvent(0), endEvent(0)]) yield { event: { event } };
        },
      },
      httpVersion,
    );
    const { clock, client, states, onState } = spreadClient(url, httpVersion);
    const exit = (await client.start({ cmd: "x" }, { onState })).discardOutput();
    expect(await reconnecting(states)).toMatchObject({ delayMs: SPREAD_MS / 2 });
    clock.advance(SPREAD_MS / 2);
    expect(await exit).toMatchObject({ exitCode: 0 });
  },
);

test("after a connection that broke the first wait is short", async () => {
  let streams = 0;
  const server = createServer();
  const agentUrl = await serveScript({
    async *start() {
      streams++;
      yield { event: { event: startEvent(0) } };
      await new Promise(() => undefined);
    },
  });
  const sockets: Socket[] = [];
  server.on("connection", (socket) => {
    const agent = connect(Number(new URL(agentUrl).port), "127.0.0.1");
    sockets.push(socket, agent);
    for (const one of [socket, agent]) one.on("error", () => one.destroy());
    socket.pipe(agent).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { client, states, onState } = spreadClient(
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    "1.1",
  );
  const process = await client.start({ cmd: "x" }, { onState });
  process.discardOutput().catch(() => undefined);
  expect(streams).toBe(1);
  for (const socket of sockets) socket.resetAndDestroy();
  expect(await reconnecting(states)).toMatchObject({ delayMs: 1 });
});

test("a signal whose HTTP/2 stream was refused is sent again", async () => {
  let refusals = 0;
  let signals = 0;
  const url = await serveScript(
    {
      sendSignal: () => {
        signals++;
        return {};
      },
    },
    "2",
    (request) => {
      if (refusals++ > 0) return false;
      request.stream.close(7);
      return true;
    },
  );
  await connectTo(url, { httpVersion: "2" }).signal({ pid: 1 }, "SIGTERM");
  expect([refusals, signals]).toEqual([2, 1]);
});
