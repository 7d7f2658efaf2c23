// A request with a single message has a limited time to arrive; StreamInput has not. The listener runs in the test's
// process, with a limit of 100 ms instead of a minute.

import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Process } from "../../src/gen/process_pb.ts";
import { MemoryBudget } from "../../src/multiplexer/index.ts";
import { RequestMemory } from "../../src/rpc/memory/request-memory.ts";
import { createRpcListener } from "../../src/rpc/protocol/adapter.ts";
import { agentTimers } from "../support/agent/agent-timers.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { openConnection, type RawConnection } from "../support/clients/raw-http.ts";
import { eventually } from "../support/proc/proc.ts";

const REQUEST_MS = 100;
const silent = () => {
  // Logs are not checked here.
};

function listener() {
  return createRpcListener({
    routes: (router) => {
      router.service(Process, {
        streamInput: async (requests) => {
          for await (const _ of requests) silent();
          return {};
        },
      });
    },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    maxMessageBytes: 1000,
    requestMs: REQUEST_MS,
    memory: new RequestMemory(new MemoryBudget(1_000_000), 10_000),
    fallback: (_, response) => void response.writeHead(404).end(),
  });
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function connectTo(port: number): Promise<RawConnection> {
  const connection = await openConnection(port);
  onTestFinished(() => connection.cut());
  return connection;
}

function head(rpc: string, type: string, length: string): string {
  return `POST /process.Process/${rpc} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/${type}\r\n${length}\r\n\r\n`;
}

const LATE = `the request did not arrive within ${REQUEST_MS} ms (--request-timeout)`;

test.each([
  ["List", "json", "Content-Length: 5", "{", 408],
  ["List", "json", "Transfer-Encoding: chunked", "1\r\n{\r\n", 408],
  ["List", "json", "Content-Length: 2", "", 408],
  // The protocols of streams answer with 200 and the error in the body.
  ["Start", "connect+json", "Content-Length: 100", envelope("{}", 0, 95), 200],
  ["SendInput", "grpc-web+proto", "Content-Length: 100", envelope("", 0, 95), 200],
])(
  "half a %s (%s, %s) is answered in its protocol, and its connection closed",
  async (rpc, type, length, half, status) => {
    const connection = await connectTo(await listen(createServer(listener())));
    connection.send(head(rpc, type, length));
    connection.send(half);
    const response = await connection.response();
    expect({ status: response.status, body: response.body.toString() }).toEqual({
      status,
      body: expect.stringContaining(LATE),
    });
    expect(response.headers.get("connection")).toBe("close");
    await connection.closed();
  },
);

test("half a request over h2c is answered with 408", async () => {
  const port = await listen(createHttp2Server(listener()));
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const headers = {
    ":method": "POST",
    ":path": "/process.Process/List",
    "content-type": "application/proto",
  };
  const stream = session.request(headers);
  stream.write("x");
  const [response] = await once(stream, "response");
  expect(response[":status"]).toBe(408);
  stream.destroy();
});

test("a StreamInput may take longer than the limit", async () => {
  const port = await listen(createServer(listener()));
  const input = await connectTo(port);
  input.send(head("StreamInput", "connect+json", "Transfer-Encoding: chunked"));
  input.send(`7\r\n${envelope("{}")}\r\n`);
  // This request begins later and ends first.
  const late = await connectTo(port);
  late.send(head("List", "json", "Content-Length: 5"));
  expect(await late.response()).toMatchObject({ status: 408 });
  input.send("0\r\n\r\n");
  expect(await input.response()).toMatchObject({ status: 200 });
});

test("a request that arrived in time leaves no timer", async () => {
  const before = agentTimers();
  const connection = await connectTo(await listen(createServer(listener())));
  connection.send(`${head("List", "json", "Content-Length: 2")}{}`);
  // The RPC is not implemented here; the answer is an error.
  expect(await connection.response()).toMatchObject({ status: 501 });
  await eventually("no timer more than before", () => agentTimers() <= before, agentTimers);
});
