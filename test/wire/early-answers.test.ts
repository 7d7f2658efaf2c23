// Answers that the agent sends before it has received the whole request. Over HTTP/1.1 the connection
// either continues and every later request is answered, or the answer carries `Connection: close`,
// nothing after it is executed, and the client can read the answer without a reset. Over HTTP/2 the
// stream is reset with NO_ERROR after the answer.

import { existsSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { parseResponses } from "../support/clients/http-responses.ts";
import {
  END_HEADERS,
  frame,
  framesIn,
  frameType,
  HELLO,
  postBlock,
} from "../support/clients/http2-frames.ts";
import { openConnection, type RawConnection, requestBytes } from "../support/clients/raw-http.ts";
import { contentType, encodeBody, protocols } from "../support/clients/rpc-call.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const TOKEN = "open-sesame";
let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: TOKEN } });
});
afterAll(() => agent.stop());

const CONNECT = { "content-type": "application/connect+json" };
const JSON_TYPE = { "content-type": "application/json" };
const withToken = { "x-access-token": TOKEN };

/** A Start of a command that creates `file`. */
function startThatTouches(file: string): Buffer {
  const body = envelope(JSON.stringify({ process: { cmd: "touch", args: [file] } }));
  return requestBytes({ path: "/process.Process/Start", headers: { ...CONNECT, ...withToken }, body });
}

async function connected(): Promise<RawConnection> {
  const connection = await openConnection(agent.port);
  onTestFinished(() => connection.cut());
  return connection;
}

/** The head of a request whose body is sent later. */
function headOf(path: string, headers: Record<string, string>, length: number): Buffer {
  const bytes = requestBytes({
    path,
    headers: { ...headers, ...(length < 0 ? {} : { "content-length": String(length) }) },
  });
  if (length >= 0) return bytes;
  return requestBytes({ path, headers: { ...headers, "transfer-encoding": "chunked" } });
}

const statuses = (connection: RawConnection) =>
  parseResponses(connection.received()).whole.map(({ statusLine }) => Number(statusLine.split(" ")[1]));

interface Refused {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly status: number;
}

const refused: readonly (readonly [string, Refused])[] = [
  ["without the token", { path: "/process.Process/List", headers: JSON_TYPE, status: 401 }],
  ["for a path that does not exist", { path: "/nope", headers: { ...JSON_TYPE, ...withToken }, status: 404 }],
  [
    "for a method that is not allowed",
    { path: "/metrics", headers: { ...JSON_TYPE, ...withToken }, status: 405 },
  ],
  [
    "from an origin that is not allowed",
    {
      path: "/process.Process/List",
      headers: { ...JSON_TYPE, ...withToken, origin: "https://evil.example" },
      status: 403,
    },
  ],
  [
    "of an unsupported type",
    { path: "/process.Process/List", headers: { "content-type": "text/plain", ...withToken }, status: 415 },
  ],
];

test.each(refused)(
  "a request %s whose small body arrives after the answer leaves the connection usable",
  async (_, { path, headers, status }) => {
    const file = join(createTempFolder(), "touched");
    const connection = await connected();
    connection.send(headOf(path, headers, 2));
    await connection.until("an answer", () => statuses(connection)[0]);
    connection.send("{}");
    connection.send(startThatTouches(file));
    await connection.until("both answers", () => statuses(connection)[1]);
    expect(statuses(connection)).toEqual([status, 200]);
    expect(existsSync(file)).toBe(true);
  },
);

test.each(refused)(
  "a request %s with its small body in the same packet leaves the connection usable",
  async (_, { path, headers, status }) => {
    const connection = await connected();
    const chunked = { ...headers, "transfer-encoding": "chunked", "content-length": undefined };
    connection.send(
      Buffer.concat([
        requestBytes({ path, headers, body: "{}" }),
        requestBytes({ path, headers: chunked, body: "2\r\n{}\r\n0\r\n\r\n" }),
        requestBytes({ path: "/process.Process/List", headers: { ...JSON_TYPE, ...withToken }, body: "{}" }),
      ]),
    );
    await connection.until("three answers", () => statuses(connection)[2]);
    expect(statuses(connection)).toEqual([status, status, 200]);
    const [first, second] = parseResponses(connection.received()).whole;
    expect([first?.header("Connection"), second?.header("Connection")]).toEqual(["keep-alive", "keep-alive"]);
  },
);

const LARGE = 1_000_000;

test.each([
  ...refused.map(([name, request]) => [name, LARGE, request] as const),
  ...refused.map(([name, request]) => [`${name}, chunked`, -1, request] as const),
])(
  "after a request %s that is answered before its body the connection closes and executes nothing more",
  async (_, length, { path, headers, status }) => {
    const file = join(createTempFolder(), "touched");
    const connection = await connected();
    const errors: Error[] = [];
    connection.socket.on("error", (error) => errors.push(error));
    connection.send(headOf(path, headers, length));
    await connection.until("the answer", () => statuses(connection)[0]);
    const [answer] = parseResponses(connection.received()).whole;
    expect([statuses(connection)[0], answer?.header("Connection")]).toEqual([status, "close"]);
    connection.send(length > 0 ? Buffer.alloc(length, "x") : `f4240\r\n${"x".repeat(LARGE)}\r\n0\r\n\r\n`);
    connection.send(startThatTouches(file));
    await connection.closed();
    expect(errors).toEqual([]);
    expect(statuses(connection)).toEqual([status]);
    expect(existsSync(file)).toBe(false);
  },
);

test("a large body of which little is missing when it is refused leaves the connection usable", async () => {
  const file = join(createTempFolder(), "touched");
  const connection = await connected();
  // The agent looks at 64 KiB and more at a time. The list that is one too deep begins as far from the end.
  const seen = 140_000 - 64 * 1024;
  const body = Buffer.alloc(140_000, " ");
  body.write("{}");
  body.fill("[", seen - 1001, seen);
  connection.send(headOf("/process.Process/List", { ...JSON_TYPE, ...withToken }, body.length));
  connection.send(body.subarray(0, -1));
  await connection.until("the answer", () => statuses(connection)[0]);
  const [answer] = parseResponses(connection.received()).whole;
  expect([statuses(connection)[0], answer?.header("Connection")]).toEqual([400, "keep-alive"]);
  connection.send(body.subarray(-1));
  connection.send(startThatTouches(file));
  await connection.until("both answers", () => statuses(connection)[1]);
  expect(existsSync(file)).toBe(true);
});

test("a StreamInput that fails before its body ends executes nothing that follows on its connection", async () => {
  const file = join(createTempFolder(), "touched");
  const connection = await connected();
  const errors: Error[] = [];
  connection.socket.on("error", (error) => errors.push(error));
  const body = envelope(JSON.stringify({ start: { process: { pid: 1 } } }));
  connection.send(headOf("/process.Process/StreamInput", { ...CONNECT, ...withToken }, body.length + LARGE));
  connection.send(body);
  await connection.until("the answer", () => statuses(connection)[0]);
  const [answer] = parseResponses(connection.received()).whole;
  expect(answer?.header("Connection")).toBe("close");
  connection.send(Buffer.alloc(LARGE));
  connection.send(startThatTouches(file));
  await connection.closed();
  expect(errors).toEqual([]);
  expect(existsSync(file)).toBe(false);
});

/** The stream's frames as [type, flags, error code of a reset]. */
function framesOf(received: Buffer, stream: number): (readonly [number, number, number | undefined])[] {
  return framesIn(received)
    .filter((one) => one.stream === stream && (one.type !== frameType.reset || one.payload.length === 4))
    .map(({ type, flags, payload }) => [
      type,
      flags,
      type === frameType.reset ? payload.readUInt32BE() : undefined,
    ]);
}

const http2Cases = protocols.flatMap((protocol) => [
  { protocol, name: "without the token", rpc: "Start", headers: {}, first: Buffer.alloc(0) },
  {
    protocol,
    name: "that fails at its first message",
    rpc: "StreamInput",
    headers: withToken,
    first: encodeBody(protocol, "StreamInput", [{ start: { process: { pid: 1 } } }]),
  },
]);

test.each(http2Cases)(
  "h2c: a $rpc in $protocol $name is answered, and then its stream is reset with NO_ERROR",
  async ({ protocol, rpc, headers, first }) => {
    const connection = await connected();
    const block = postBlock(`/process.Process/${rpc}`, [
      ["content-type", contentType(protocol, rpc)],
      ["te", "trailers"],
      ...Object.entries(headers),
    ]);
    connection.send(Buffer.concat([HELLO, frame(frameType.headers, END_HEADERS, 1, block)]));
    if (first.length > 0) connection.send(frame(frameType.data, 0, 1, Buffer.from(first)));
    const isReset = ([type]: readonly [number, number, number | undefined]) => type === frameType.reset;
    await connection.until("a reset", (received) => framesOf(received, 1).find(isReset));
    const frames = framesOf(connection.received(), 1);
    expect(frames.at(-1)).toEqual([frameType.reset, 0, 0]);
    // The frame before it ends the answer.
    expect((frames.at(-2)?.[1] ?? 0) & 1).toBe(1);
  },
);

test.each(["/process.Process/Start", "/nope", "/metrics"])(
  "h2c: an upload of 2 MB to %s that is refused at once does not stall",
  async (path) => {
    const session = connectHttp2(agent.url);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
    const closed = new Promise<number>((resolve, reject) => {
      stream.on("close", () => resolve(stream.rstCode)).on("error", reject);
    });
    stream.resume();
    stream.write(Buffer.alloc(2_000_000));
    expect(await closed).toBe(0);
    const next = session.request({ ":path": "/health" });
    const status = await new Promise((resolve) =>
      next.on("response", (headers) => resolve(headers[":status"])),
    );
    expect(status).toBe(204);
  },
);

const heads: readonly (readonly [string, Buffer, RegExp])[] = [
  ["a length beyond the limit", envelopeHead(0, 17 * 1024 * 1024), /"code":"resource_exhausted"/],
  ["a length of 4 GiB", envelopeHead(0, 0xffffffff), /"code":"resource_exhausted"/],
  ["text instead of an envelope", Buffer.from('{"process'), /does not begin with an envelope/],
];

function envelopeHead(flags: number, length: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return head;
}

test.each(
  heads.flatMap(([name, head, answer]) => [
    [name, "declared", 200, head, answer] as const,
    [name, "unknown", -1, head, answer] as const,
  ]),
)(
  "a stream request that begins with %s is refused before the rest of its body, of %s length, arrives",
  async (_, __, length, head, answer) => {
    for (const rpc of ["Start", "Connect"]) {
      for (const type of ["application/connect+json", "application/connect+proto"]) {
        const connection = await connected();
        connection.send(headOf(`/process.Process/${rpc}`, { "content-type": type, ...withToken }, length));
        const piece = length < 0 ? Buffer.concat([Buffer.from(`${head.length}\r\n`), head]) : head;
        // The five bytes of the head in two pieces.
        connection.send(piece.subarray(0, -2));
        connection.send(piece.subarray(-2));
        await connection.until(`the answer to ${rpc}, ${type}`, (received) =>
          answer.test(received.toString("latin1")) ? true : undefined,
        );
      }
    }
  },
);
