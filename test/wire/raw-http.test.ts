// HTTP written by hand over raw sockets: requests that no client library sends, and bytes that none shows.

import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import {
  create,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { Signal, StartRequestSchema, StartResponseSchema } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient, untilNone } from "../support/agent/running-processes.ts";
import { envelope, parseEnvelopes } from "../support/clients/envelopes.ts";
import { type HttpResponse, parseResponses } from "../support/clients/http-responses.ts";
import { sendOneByOne } from "../support/clients/one-byte-at-a-time.ts";
import { openConnection, type RawConnection, rawCall, requestBytes } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent();
});
afterAll(() => agent.stop());
afterEach(() => killAll(agent.url));

type Start = MessageInitShape<typeof StartRequestSchema>;
type Codec = "json" | "proto";

const byTag = (tag: string) => ({ selector: { case: "tag" as const, value: tag } });
const stdin = (value: Uint8Array) => ({ input: { case: "stdin" as const, value } });
const sh = (script: string): Start => ({ process: { cmd: "sh", args: ["-c", script] } });

function startBytes(request: Start, headers: Record<string, string> = {}, codec: Codec = "json"): Buffer {
  const message = create(StartRequestSchema, request);
  const body =
    codec === "json" ? toJsonString(StartRequestSchema, message) : toBinary(StartRequestSchema, message);
  return requestBytes({
    path: "/process.Process/Start",
    headers: { "Content-Type": `application/connect+${codec}`, ...headers },
    body: envelope(body),
  });
}

/** The body of a Connect stream that ended cleanly. */
function readStream(body: Buffer, codec: Codec = "json") {
  const envelopes = parseEnvelopes(body);
  expect(envelopes.map(({ flags }) => flags)).toEqual([...envelopes.slice(1).map(() => 0), 2]);
  expect(envelopes.at(-1)?.data.toString()).toBe("{}");
  const events = envelopes.slice(0, -1).map(({ data }) => {
    const response =
      codec === "json"
        ? fromJsonString(StartResponseSchema, data.toString())
        : fromBinary(StartResponseSchema, data);
    return response.event?.event ?? { case: undefined };
  });
  const kinds = events.map((event) => event.case).filter((kind, index, all) => kind !== all[index - 1]);
  const stdout = events.map((event) =>
    event.case === "data" && event.value.output.case === "stdout"
      ? event.value.output.value
      : Buffer.alloc(0),
  );
  return { kinds, stdout: Buffer.concat(stdout) };
}

async function open(port = agent.port): Promise<RawConnection> {
  const connection = await openConnection(port);
  onTestFinished(() => connection.cut());
  return connection;
}

/** Resolves when `count` whole responses, and no byte after them, have arrived. */
function responses(connection: RawConnection, count: number): Promise<HttpResponse[]> {
  return connection.until(`${count} responses`, (received) => {
    const { whole, rest } = parseResponses(received);
    return whole.length === count && rest.length === 0 ? whole : undefined;
  });
}

test.each(["json", "proto"] as const)(
  "a long %s response is correct chunked encoding, chunk by chunk",
  async (codec) => {
    const connection = await open();
    connection.send(startBytes(sh("printf x; head -c 2000000 /dev/zero | tr '\\0' y"), {}, codec));
    const [response] = await responses(connection, 1);
    expect(response?.statusLine).toBe("HTTP/1.1 200 OK");
    expect(response?.header("Transfer-Encoding")).toBe("chunked");
    const { kinds, stdout } = readStream(response?.body ?? Buffer.alloc(0), codec);
    expect(kinds).toEqual(["start", "data", "end"]);
    expect(stdout.equals(Buffer.from(`x${"y".repeat(2_000_000)}`))).toBe(true);
  },
);

test("a content type in capitals is answered in JSON from the first frame to the last", async () => {
  const connection = await open();
  connection.send(startBytes(sh("printf loud"), { "Content-Type": "Application/Connect+JSON" }));
  const [response] = await responses(connection, 1);
  expect(readStream(response?.body ?? Buffer.alloc(0)).stdout.toString()).toBe("loud");
});

test("an HTTP/1.0 client receives the stream without chunks, ended by the end of the connection", async () => {
  const connection = await open();
  const request = startBytes(sh("head -c 1000000 /dev/zero | tr '\\0' z; exit 0"));
  connection.send(request.toString("latin1").replace("HTTP/1.1\r\n", "HTTP/1.0\r\n"));
  await connection.closed();
  const received = connection.received();
  const headEnd = received.indexOf("\r\n\r\n");
  const head = received.toString("latin1", 0, headEnd);
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(head).not.toMatch(/^Transfer-Encoding:/im);
  const { kinds, stdout } = readStream(received.subarray(headEnd + 4));
  expect(kinds).toEqual(["start", "data", "end"]);
  expect(stdout.equals(Buffer.alloc(1_000_000, "z"))).toBe(true);
});

// RFC 9112, 9.3.2: only safe requests can be answered in parallel, and a Start is not safe.
test("the second of two pipelined Starts begins after the first is answered, and both arrive whole", async () => {
  const client = plainClient(agent.url);
  const connection = await open();
  connection.send(
    Buffer.concat([
      startBytes({ process: { cmd: "cat" }, tag: "first" }),
      startBytes(sh("head -c 1000000 /dev/zero | tr '\\0' 2")),
    ]),
  );
  await connection.until("the first head", (received) => received.includes("\r\n\r\n") || undefined);
  await client.sendInput({ process: byTag("first"), input: stdin(Buffer.from("one")) });
  await connection.until("its output", (received) => received.includes(btoa("one")) || undefined);
  expect((await client.list({})).processes).toMatchObject([{ tag: "first" }]);

  await client.closeStdin({ process: byTag("first") });
  const streams = (await responses(connection, 2)).map(({ body }) => readStream(body));
  expect(streams.map(({ kinds }) => kinds)).toEqual([
    ["start", "data", "end"],
    ["start", "data", "end"],
  ]);
  expect(streams[0]?.stdout.toString()).toBe("one");
  expect(streams[1]?.stdout.equals(Buffer.alloc(1_000_000, "2"))).toBe(true);
});

test("a client that pipelines 20 Starts receives 20 answers in its order, without a warning in the log", async () => {
  const own = await startAgent();
  const connection = await open(own.port);
  const numbers = Array.from({ length: 20 }, (_, index) => String(index));
  connection.send(Buffer.concat(numbers.map((number) => startBytes(sh(`printf ${number}`)))));
  const bodies = (await responses(connection, 20)).map(({ body }) => body);
  expect(bodies.map((body) => readStream(body).stdout.toString())).toEqual(numbers);
  expect(own.stderr()).not.toContain('"level":"warn"');
});

test("a pipelined Start whose client vanishes before its turn blocks no process", async () => {
  const client = plainClient(agent.url);
  const connection = await open();
  connection.send(
    Buffer.concat([
      startBytes({ process: { cmd: "cat" }, tag: "first" }),
      // More than a window holds: with a subscriber that reads nothing it would never end.
      startBytes({ ...sh("head -c 1000000 /dev/zero"), tag: "second" }),
    ]),
  );
  await connection.until("the first head", (received) => received.includes("\r\n\r\n") || undefined);
  connection.reset();
  await client.sendSignal({ process: byTag("first"), signal: Signal.SIGKILL });
  await untilNone(client, ({ tag }) => tag === "first");
  // Either it was never started, or the next client that connects receives its output and its end.
  for (const { pid } of (await client.list({})).processes)
    await receive(client.connect({ process: { selector: { case: "pid", value: pid } } })).ended();
});

test("one connection carries 50 Starts, one after the other", async () => {
  const connection = await open();
  for (let count = 1; count <= 50; count++) {
    connection.send(startBytes(sh(`printf ${count}`), {}, count % 2 === 0 ? "json" : "proto"));
    await responses(connection, count);
  }
  const bodies = parseResponses(connection.received()).whole.map(({ body }) => body);
  const outputs = bodies.map((body, index) =>
    readStream(body, index % 2 === 1 ? "json" : "proto").stdout.toString(),
  );
  expect(outputs).toEqual(Array.from({ length: 50 }, (_, index) => `${index + 1}`));
});

test("a client that sends `Connection: close` receives the header, the whole stream, and the end of the connection", async () => {
  const connection = await open();
  connection.send(startBytes(sh("printf last"), { Connection: "close" }));
  await connection.closed();
  const { whole, rest } = parseResponses(connection.received());
  expect([whole.length, rest.length]).toEqual([1, 0]);
  expect(whole[0]?.header("Connection")).toBe("close");
  expect(whole[0]?.header("Transfer-Encoding")).toBe("chunked");
  expect(readStream(whole[0]?.body ?? Buffer.alloc(0)).stdout.toString()).toBe("last");
});

test("a client that asks to upgrade to h2c is answered in HTTP/1.1", async () => {
  const connection = await open();
  const upgrade = {
    Connection: "Upgrade, HTTP2-Settings",
    Upgrade: "h2c",
    "HTTP2-Settings": "AAMAAABkAAQAAP__",
  };
  connection.send(startBytes(sh("printf 1.1"), upgrade));
  const [response] = await responses(connection, 1);
  expect(readStream(response?.body ?? Buffer.alloc(0)).stdout.toString()).toBe("1.1");
});

test("a client that waits for `100 Continue` before it sends its body receives it", async () => {
  const connection = await open();
  const bytes = startBytes(sh("printf continued"), { Expect: "100-continue" });
  const bodyAt = bytes.indexOf("\r\n\r\n") + 4;
  connection.send(bytes.subarray(0, bodyAt));
  const interim = "HTTP/1.1 100 Continue\r\n\r\n";
  await connection.until("100 Continue", (received) => received.toString() === interim || undefined);
  connection.send(bytes.subarray(bodyAt));
  const response = (await responses(connection, 2))[1];
  expect(readStream(response?.body ?? Buffer.alloc(0)).stdout.toString()).toBe("continued");
});

test("an HTTP/2 client whose preface arrives one byte at a time is answered", async () => {
  const own = await startAgent();
  const socket = connect({ port: own.port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  const slowly = new Duplex({
    read: () => void socket.resume(),
    write: (bytes: Buffer, _, done) => {
      // The preface has 24 bytes.
      const slow = bytes.subarray(0, Math.max(0, 40 - socket.bytesWritten));
      sendOneByOne(socket, slow).then(
        () => void socket.write(bytes.subarray(slow.length), () => done()),
        done,
      );
    },
    final: (done) => void socket.end(done),
  });
  socket.on("data", (bytes) => slowly.push(bytes)).on("end", () => slowly.push(null));
  const session = connectHttp2(own.url, { createConnection: () => slowly });
  onTestFinished(() => {
    session.destroy();
    socket.destroy();
  });
  const stream = session.request({ ":path": "/health" });
  const status = await new Promise((resolve, reject) => {
    stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
    session.on("error", reject);
  });
  expect(status).toBe(204);
});

test("a request of HTTP/1.1 that arrives one byte at a time is answered", async () => {
  const own = await startAgent();
  const connection = await open(own.port);
  const bytes = startBytes(sh("printf slow"));
  const headEnd = bytes.indexOf("\r\n\r\n") + 4;
  // The bytes that matter: the first ones, the end of the head, the prefix of the envelope.
  await sendOneByOne(connection.socket, bytes.subarray(0, 24));
  connection.send(bytes.subarray(24, headEnd - 8));
  await sendOneByOne(connection.socket, bytes.subarray(headEnd - 8, headEnd + 12));
  connection.send(bytes.subarray(headEnd + 12, -4));
  await sendOneByOne(connection.socket, bytes.subarray(-4));
  const [response] = await responses(connection, 1);
  expect(readStream(response?.body ?? Buffer.alloc(0)).stdout.toString()).toBe("slow");
});

test.each(["P", "PRI", "PRI * HTTP/2.0\r\n\r\nSM"])(
  "while a client has sent only %j, others are served",
  async (start) => {
    const own = await startAgent();
    const connection = await open(own.port);
    await sendOneByOne(connection.socket, Buffer.from(start));
    expect((await rawCall(own.port, { method: "GET", path: "/health" })).status).toBe(204);
  },
);

test("pipelined requests for the health check and for unknown paths are answered in order", async () => {
  const connection = await open();
  const requests = [
    "GET /health",
    "HEAD /health",
    "GET /health?deep",
    "POST /health",
    "GET /",
    "GET /process.Process/No",
  ];
  connection.send(requests.map((line) => `${line} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(""));
  const answers = await responses(connection, requests.length);
  expect(answers.map(({ statusLine }) => statusLine.split(" ")[1])).toEqual([
    "204",
    "204",
    "204",
    "405",
    "404",
    "404",
  ]);
  expect(answers.map(({ body }) => body.length > 0)).toEqual([false, false, false, true, true, true]);
});

test.each(["HEAD", "GET", "PUT"])(
  "%s on an RPC is refused, and the next request on the connection is answered",
  async (method) => {
    const connection = await open();
    connection.send(
      `${method} /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\n\r\n` +
        "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    const answers = await connection.until("both answers", (received) => {
      const statusLines = received.toString("latin1").match(/HTTP\/1\.1 [^\r]*/g) ?? [];
      return statusLines.length === 2 ? statusLines : undefined;
    });
    expect(answers).toEqual(["HTTP/1.1 405 Method Not Allowed", "HTTP/1.1 204 No Content"]);
  },
);
