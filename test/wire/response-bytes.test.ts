// A differential test: a client receives the same bytes from a Start of the agent as from a plain Connect-ES
// handler that yields the same events. Chunks and frames of the connection are not compared: each server
// divides the bytes differently.

import { once } from "node:events";
import { createServer } from "node:http";
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
} from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { Process, StartRequestSchema, type StartResponse } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { envelope, parseEnvelopes } from "../support/clients/envelopes.ts";
import { parseResponses } from "../support/clients/http-responses.ts";
import { openConnection, requestBytes } from "../support/clients/raw-http.ts";

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent();
});
afterAll(() => agent.stop());

const PATH = "/process.Process/Start";
const limits = { readMaxBytes: 0xffffffff, writeMaxBytes: 0xffffffff };
const serialization = createMethodSerializationLookup(Process.method.start, undefined, undefined, limits);

// Both pipes, all byte values, small and large chunks, and an end with an error.
const request = create(StartRequestSchema, {
  process: {
    cmd: "bash",
    args: ["-c", "printf '\\0\\xff\\x80'; echo err >&2; head -c 300000 /dev/urandom; exit 3"],
  },
});

const isBinary = (contentType: string) => !contentType.endsWith("json");

function requestBody(contentType: string): Buffer {
  return envelope(
    isBinary(contentType) ? toBinary(StartRequestSchema, request) : toJsonString(StartRequestSchema, request),
  );
}

function eventsOf(body: Buffer, contentType: string): StartResponse[] {
  const { parse } = serialization.getO(isBinary(contentType));
  return parseEnvelopes(body)
    .filter(({ flags }) => flags === 0)
    .map(({ data }) => parse(data));
}

/** Makes sure that two streams of output are compared, and not the same error twice. */
function expectWhole(events: readonly StartResponse[]): void {
  const kinds = events.map(({ event }) => event?.event.case);
  expect([kinds[0], kinds.at(-1)]).toEqual(["start", "end"]);
  expect(kinds.filter((kind) => kind === "data").length).toBeGreaterThan(2);
}

/** An ordinary handler. */
function plainHandler(events: readonly StartResponse[]) {
  return connectNodeAdapter({
    routes: (router) =>
      router.service(Process, {
        async *start(_, { responseHeader }) {
          responseHeader.set("X-Accel-Buffering", "no");
          responseHeader.set("Cache-Control", "no-store, no-transform");
          yield* events;
        },
      }),
  });
}

async function listen(server: Server): Promise<number> {
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

interface Answer {
  /** Without the date. */
  readonly head: unknown;
  readonly body: Buffer;
  readonly trailers?: IncomingHttpHeaders;
}

function expectEqual(ours: Answer, plain: Answer): void {
  expect(ours.head).toEqual(plain.head);
  expect(ours.trailers).toEqual(plain.trailers);
  expect(ours.body.length).toBe(plain.body.length);
  expect(ours.body.equals(plain.body)).toBe(true);
}

async function callHttp1(port: number, contentType: string): Promise<Answer> {
  const connection = await openConnection(port);
  onTestFinished(() => connection.cut());
  connection.send(
    requestBytes({ path: PATH, headers: { "Content-Type": contentType }, body: requestBody(contentType) }),
  );
  const response = await connection.until("a response", (received) => parseResponses(received).whole[0]);
  const { statusLine, headerLines, body } = response;
  return { head: [statusLine, ...headerLines.filter((line) => !line.startsWith("Date: "))], body };
}

test.each([
  "application/connect+json",
  "application/connect+proto",
  "application/grpc-web+json",
  "application/grpc-web+proto",
])("over HTTP/1.1, the bytes of an answer in %s are those of the library", async (contentType) => {
  const ours = await callHttp1(agent.port, contentType);
  const events = eventsOf(ours.body, contentType);
  expectWhole(events);
  const plain = createServer(plainHandler(events));
  // The agent's idle timeout, which is in the header Keep-Alive.
  plain.keepAliveTimeout = 650_000;
  expectEqual(ours, await callHttp1(await listen(plain), contentType));
});

async function callHttp2(port: number, contentType: string): Promise<Answer> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": contentType,
    te: "trailers",
  });
  let trailers: IncomingHttpHeaders = {};
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.end(requestBody(contentType));
  const [{ date: _, ...head }] = (await once(stream, "response")) as [IncomingHttpHeaders];
  const body: Buffer[] = [];
  for await (const chunk of stream) body.push(chunk as Buffer);
  session.close();
  return { head, trailers, body: Buffer.concat(body) };
}

test.each([
  "application/connect+json",
  "application/connect+proto",
  "application/grpc",
  "application/grpc+json",
  "application/grpc-web+proto",
])("over h2c, the bytes of an answer in %s are those of the library", async (contentType) => {
  const ours = await callHttp2(agent.port, contentType);
  const events = eventsOf(ours.body, contentType);
  expectWhole(events);
  const plain = createHttp2Server(plainHandler(events));
  expectEqual(ours, await callHttp2(await listen(plain), contentType));
});
