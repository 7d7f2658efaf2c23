// Requests that are not valid HTTP/1.1, or not an RPC. Each gets an HTTP error or its connection is
// closed, and the next command runs.

import { expect, test } from "vitest";
import { survivingAgent } from "../support/agent/surviving-agent.ts";
import { envelope, parseEnvelopes } from "../support/clients/envelopes.ts";
import { openConnection, type RawResponse, rawCall } from "../support/clients/raw-http.ts";
import { contentType } from "../support/clients/rpc-call.ts";

const agent = survivingAgent();

const LIST = "/process.Process/List";
const START = "/process.Process/Start";
const HEADERS = { "content-type": "application/json" };

test.each([
  "/",
  "//",
  "*",
  "/process.Process",
  "/process.Process/",
  "/process.Process/Nope",
  "/process.Process/list",
  "/process.Process/List/",
  "//process.Process/List",
  "/process.Process//List",
  "/../process.Process/List",
  "/%70rocess.Process/List",
  "/process.Process/List%00",
  "/example.Example/Stat",
  "http://localhost/process.Process/Nope",
  "/health/",
])("POST %s is 404", async (path) => {
  expect(await rawCall(agent.port, { path, headers: HEADERS, body: "{}" })).toMatchObject({ status: 404 });
});

test("a request whose target is an absolute URL is answered as one for its path", async () => {
  const path = `http://localhost:${agent.port}${LIST}`;
  expect(await rawCall(agent.port, { path, headers: HEADERS, body: "{}" })).toMatchObject({ status: 200 });
});

test("the query of an RPC is ignored", async () => {
  const path = `${LIST}?x=${"y".repeat(1000)}`;
  expect(await rawCall(agent.port, { path, headers: HEADERS, body: "{}" })).toMatchObject({ status: 200 });
});

test.each(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])(
  "%s of an rpc is 405",
  async (method) => {
    const headers = { ...HEADERS, connection: "close" };
    for (const path of [LIST, START])
      expect(await rawCall(agent.port, { method, path, headers })).toMatchObject({ status: 405 });
  },
);

test.each([
  [LIST, undefined],
  [LIST, ""],
  [LIST, "text/plain"],
  [LIST, "application/jsonx"],
  [LIST, "application/json; charset=latin1"],
  [LIST, "application/connect+json"],
  [START, "application/json"],
  [START, "application/connect+xml"],
  [START, "application/connect+proto; json"],
])("POST %s of type %s is 415", async (path, type) => {
  const response = await rawCall(agent.port, { path, headers: { "content-type": type }, body: "{}" });
  expect(response).toMatchObject({ status: 415 });
});

test.each(["application/connect+JSON", "Application/Connect+Json"])(
  "a stream of type %s is JSON from the first message to the last",
  async (type) => {
    const body = envelope('{"process":{"cmd":"echo","args":["hi"]}}');
    const response = await rawCall(agent.port, { path: START, headers: { "content-type": type }, body });
    expect(parseEnvelopes(response.body).map(({ data }) => data.toString())).toEqual([
      expect.stringContaining('{"event":{"start":'),
      '{"event":{"data":{"stdout":"aGkK"}}}',
      expect.stringContaining('{"event":{"end":'),
      "{}",
    ]);
  },
);

test.each(["[", "[::1", "%", "a b", "x:99999", "#", "/", ""])("Host %j is 400", async (host) => {
  const headers = { ...HEADERS, host };
  expect(await rawCall(agent.port, { path: LIST, headers, body: "{}" })).toMatchObject({ status: 400 });
});

test("the answer to a bad Host names it", async () => {
  const headers = { ...HEADERS, host: "x:99999" };
  const { body } = await rawCall(agent.port, { path: LIST, headers, body: "{}" });
  expect(JSON.parse(body.toString())).toMatchObject({ message: expect.stringContaining('"x:99999"') });
});

test("HTTP/1.1 without Host is 400", async () => {
  const response = await rawCall(agent.port, {
    path: LIST,
    headers: { ...HEADERS, host: undefined },
    body: "{}",
  });
  expect(response).toMatchObject({ status: 400 });
  expect(response.body.toString()).toContain("no header Host");
});

test("HTTP/1.0 without Host is answered when the path needs none, and is 400 for an rpc", async () => {
  expect(await rawCall(agent.port, "GET /health HTTP/1.0\r\n\r\n")).toMatchObject({ status: 204 });
  const head = `POST ${LIST} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n`;
  const response = await rawCall(agent.port, `${head}{}`);
  expect(response.status).toBe(400);
  expect(response.body.toString()).toMatch(/authority|Host/);
});

const POST = `POST ${LIST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;

test.each([
  ["garbage", 400, "\0\0\0\0\r\n\r\n"],
  ["a TLS handshake", 400, `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${"x".repeat(500)}`],
  ["an unknown method", 400, "FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["HTTP/3.7", 400, "GET / HTTP/3.7\r\nHost: localhost\r\n\r\n"],
  ["a path without a slash", 400, "GET process.Process/List HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["a header line without a colon", 400, `${POST}nonsense\r\n\r\n`],
  ["a header of 100 kB", 431, `${POST}X: ${"y".repeat(100_000)}\r\n\r\n`],
  ["a path of 100 kB", 431, `GET /${"y".repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ["Content-Length -1", 400, `${POST}Content-Length: -1\r\n\r\n{}`],
  ["Content-Length 10^20", 400, `${POST}Content-Length: 100000000000000000000\r\n\r\n{}`],
  ["two different Content-Lengths", 400, `${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
  ["Content-Length and chunks", 400, `${POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`],
  ["a chunk of no size", 400, `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`],
  ["an unknown transfer coding", 400, `${POST}Transfer-Encoding: snappy\r\n\r\n{}`],
  ["an unknown expectation", 417, `${POST}Expect: miracles\r\nContent-Length: 2\r\n\r\n{}`],
  ["Content-Length a byte too large", 429, `${POST}Content-Length: 16777217\r\n\r\n{}`],
  ["Content-Length of 4 GiB", 429, `${POST}Content-Length: 4294967296\r\n\r\n{}`],
])("%s is %i, and the body says why", async (_, status, bytes) => {
  const response = await rawCall(agent.port, Buffer.from(bytes, "latin1"));
  expect(response).toMatchObject({ status });
  expect(response.body.toString()).toMatch(/^(the request|\{"code":"(resource_exhausted|invalid_argument)")/);
});

test("a chunked message a byte too large is resource_exhausted when that byte comes", async () => {
  const head = `${POST}Transfer-Encoding: chunked\r\n\r\n1000001\r\n`;
  const response = await rawCall(agent.port, Buffer.concat([Buffer.from(head), Buffer.alloc(2 ** 24 + 1)]));
  expect({ status: response.status, body: response.body.toString() }).toEqual({
    status: 429,
    body: expect.stringContaining('"resource_exhausted"'),
  });
});

test("CONNECT to another host is closed without an answer", async () => {
  const connection = await openConnection(agent.port);
  connection.send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
  await connection.closed();
  expect(connection.received()).toHaveLength(0);
});

test.each(["h2c", "websocket"])(
  "an upgrade to %s is ignored and the request is answered",
  async (protocol) => {
    const headers = { ...HEADERS, connection: "upgrade", upgrade: protocol };
    expect(await rawCall(agent.port, { path: LIST, headers, body: "{}" })).toMatchObject({ status: 200 });
  },
);

test("garbage after a request ends the connection after the answer", async () => {
  const connection = await openConnection(agent.port);
  connection.send(`${POST}Content-Length: 2\r\n\r\n{}`);
  expect(await connection.response()).toMatchObject({ status: 200 });
  connection.send("\0garbage\r\n\r\n");
  await connection.closed();
});

test("garbage during a stream ends the connection and not the process", async () => {
  const connection = await openConnection(agent.port);
  const body = envelope('{"process":{"cmd":"cat"},"tag":"garbage"}');
  const type = "application/connect+json";
  connection.send(
    `POST ${START} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  connection.send(body);
  await connection.until("a start event", (received) => received.includes('"start"') || undefined);
  connection.send("\0garbage\r\n\r\n");
  await connection.closed();
  const input = '{"process":{"tag":"garbage"},"input":{"stdin":"aGk="}}';
  const response = await rawCall(agent.port, {
    path: "/process.Process/SendInput",
    headers: HEADERS,
    body: input,
  });
  expect(response).toMatchObject({ status: 200 });
});

test.each([
  ["data before start", envelope('{"data":{"input":{"stdin":"aGk="}}}'), '"invalid_argument"'],
  ["a start of an unknown process", envelope('{"start":{"process":{"pid":1}}}'), '"not_found"'],
  ["an unknown event", envelope("{}"), '"unimplemented"'],
  ["an envelope of 4 GiB", envelope("", 0, 2 ** 32 - 1), '"resource_exhausted"'],
])("a StreamInput with %s is answered while its body is still open", async (_, body, code) => {
  const connection = await openConnection(agent.port);
  try {
    const type = contentType("Connect JSON", "StreamInput");
    connection.send(
      `POST /process.Process/StreamInput HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n`,
    );
    connection.send(`Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`);
    connection.send(Buffer.concat([body, Buffer.from("\r\n")]));
    const response: RawResponse = await connection.response();
    expect(parseEnvelopes(response.body).map(({ data }) => data.toString())).toEqual([
      expect.stringContaining(code),
    ]);
  } finally {
    connection.cut();
  }
});
