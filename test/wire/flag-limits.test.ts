// Each limit that is a flag: a request at the limit succeeds, a larger one is refused by an error that names
// the flag, and has started nothing.

import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { killProcesses } from "../support/agent/kill-processes.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { openGrpcClient } from "../support/clients/grpc-client.ts";
import {
  END_HEADERS,
  END_STREAM,
  frame,
  frameType,
  HELLO,
  postBlock,
} from "../support/clients/http2-frames.ts";
import { openConnection, type RawConnection, rawCall } from "../support/clients/raw-http.ts";
import { callOverEvery, callRpc, encodeBody, overEvery, type Protocol } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { childrenOf, eventually, fdCount } from "../support/proc/proc.ts";

const JSON_TYPE = { "content-type": "application/json" };
const sleep = { process: { cmd: "sleep", args: ["1000"] } };

function exhausted(flag: string) {
  return { code: "resource_exhausted", message: expect.stringMatching(new RegExp(`\\((.*; )?${flag}\\)`)) };
}

async function connected(port: number): Promise<RawConnection> {
  const connection = await openConnection(port);
  onTestFinished(() => connection.cut());
  return connection;
}

const startHead =
  "POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\n";

/** True if the agent has read every byte sent: /proc/net/tcp shows what waits at its end. */
function isTaken({ socket }: RawConnection, port: number): boolean {
  const hex = (number = 0) => number.toString(16).toUpperCase().padStart(4, "0");
  const ends = new RegExp(`:${hex(port)} \\w+:${hex(socket.localPort)} 01 \\w+:(\\w+) `);
  const [, waiting] = ends.exec(readFileSync("/proc/net/tcp", "latin1")) ?? [];
  return socket.writableLength === 0 && Number.parseInt(waiting ?? "1", 16) === 0;
}

/** A stream that stays open. */
async function openStart(port: number, message: object): Promise<RawConnection> {
  const connection = await connected(port);
  const body = envelope(JSON.stringify(message));
  connection.send(Buffer.concat([Buffer.from(`${startHead}Content-Length: ${body.length}\r\n\r\n`), body]));
  await connection.until("a start event", (received) => received.includes('"start"') || undefined);
  return connection;
}

test("--max-processes: one more is refused over every protocol, and runs after another has ended", async () => {
  const agent = await startAgent({ args: ["--max-processes", "3", "--retain-ended", "0"] });
  for (let i = 0; i < 3; i++) expect(await startAndLeave(agent.port, sleep)).toMatchObject({ code: "ok" });
  const children = childrenOf(agent.pid);
  const call = (protocol: Protocol) => ({ rpc: "Start", body: encodeBody(protocol, "Start", [sleep]) });
  expect(await callOverEvery(agent.port, call)).toEqual(overEvery(exhausted("--max-processes")));
  expect(childrenOf(agent.pid)).toEqual(children);
  await killProcesses(agent.port);
  await expectCommandRuns(agent.port);
});

test("--max-streams: one more is refused, unary calls are answered, and a stream that ends makes room", async () => {
  const agent = await startAgent({ args: ["--max-streams", "2"] });
  const [first] = [await openStart(agent.port, sleep), await openStart(agent.port, sleep)];
  const message = { process: { pid: childrenOf(agent.pid)[0] ?? 0 } };
  const children = childrenOf(agent.pid);
  for (const [rpc, body] of [
    ["Start", sleep],
    ["Connect", message],
    ["StreamInput", { start: message }],
  ] as const) {
    const call = (protocol: Protocol) => ({ rpc, body: encodeBody(protocol, rpc, [body]) });
    expect(await callOverEvery(agent.port, call)).toEqual(overEvery(exhausted("--max-streams")));
  }
  expect(childrenOf(agent.pid)).toEqual(children);
  const list = { rpc: "List", body: "{}" };
  expect(await callRpc(agent.port, "Connect JSON", list)).toMatchObject({ code: "ok" });
  first?.cut();
  const works = async () => (await startAndLeave(agent.port, sleep)).code === "ok";
  await eventually("room for a stream", works, () => childrenOf(agent.pid));
});

test("--max-streams also limits the streams of one HTTP/2 connection", async () => {
  const agent = await startAgent({ args: ["--max-streams", "2"] });
  const client = openGrpcClient(agent.port);
  const open = async () => {
    const call = client.stream("start", sleep);
    onTestFinished(() => call.cancel());
    return call[Symbol.asyncIterator]().next();
  };
  await open();
  await open();
  await expect(open()).rejects.toMatchObject({ details: "stream limit reached (2; --max-streams)" });
});

test("--max-streams-per-process: one more is refused, and other processes are not affected", async () => {
  const agent = await startAgent({ args: ["--max-streams-per-process", "1"] });
  await openStart(agent.port, sleep);
  const [pid = 0] = childrenOf(agent.pid);
  const body = encodeBody("Connect JSON", "Connect", [{ process: { pid } }]);
  const answer = await callRpc(agent.port, "Connect JSON", { rpc: "Connect", body });
  expect(answer).toMatchObject(exhausted("--max-streams-per-process"));
  await expectCommandRuns(agent.port);
});

test.each([
  // "true", its NUL and that of the argument are 6 of the bytes.
  [
    "--max-arguments",
    { process: { cmd: "true", args: ["x".repeat(94)] } },
    { process: { cmd: "true", args: ["x".repeat(95)] } },
  ],
  [
    "--max-arguments",
    { process: { cmd: "true", args: Array(95).fill("") } },
    { process: { cmd: "true", args: Array(96).fill("") } },
  ],
  [
    "--max-arguments",
    { process: { cmd: "true", args: ["é".repeat(47)] } },
    { process: { cmd: "true", args: ["é".repeat(48)] } },
  ],
  [
    "--max-environment",
    { process: { cmd: "true", envs: { A: "x".repeat(97) } } },
    { process: { cmd: "true", envs: { A: "x".repeat(98) } } },
  ],
])("%s 100B: 100 bytes are accepted, one more is refused", async (flag, fits, tooMuch) => {
  const { port, pid } = await startAgent({ args: [flag, "100B"] });
  expect(await startAndLeave(port, fits)).toMatchObject({ code: "ok" });
  await killProcesses(port);
  const call = (protocol: Protocol) => ({ rpc: "Start", body: encodeBody(protocol, "Start", [tooMuch]) });
  expect(await callOverEvery(port, call)).toEqual(overEvery(exhausted(flag)));
  expect(childrenOf(pid)).toEqual([]);
});

test("--max-message: one byte more is resource_exhausted and names both sizes", async () => {
  const { port } = await startAgent({ args: ["--max-message", "1KiB"] });
  const body = (bytes: number) => `{${" ".repeat(bytes - 2)}}`;
  const list = (bytes: number) => callRpc(port, "Connect JSON", { rpc: "List", body: body(bytes) });
  expect(await list(1024)).toMatchObject({ code: "ok" });
  expect(await list(1025)).toMatchObject({
    code: "resource_exhausted",
    message: expect.stringMatching(/1025.*1024/),
  });
});

test("--max-header: HTTP/1.1 answers 431, HTTP/2 resource_exhausted in the format of the protocol", async () => {
  const { port } = await startAgent({ args: ["--max-header", "2KiB"] });
  const status = async (bytes: number) => {
    const headers = { ...JSON_TYPE, "x-filler": "x".repeat(bytes) };
    return rawCall(port, { path: "/process.Process/List", headers, body: "{}" });
  };
  expect(await status(1500)).toMatchObject({ status: 200 });
  const refused = await status(2048);
  expect({ status: refused.status, body: refused.body.toString() }).toEqual({
    status: 431,
    body: "the request's headers have more than 2048 bytes (--max-header)\n",
  });
  const call = (bytes: number) => ({
    rpc: "List",
    body: encodeBody("gRPC", "List", [{}]),
    headers: { "x-filler": "x".repeat(bytes) },
  });
  expect(await callRpc(port, "gRPC", call(1500))).toMatchObject({ code: "ok" });
  expect(await callRpc(port, "gRPC", call(2048))).toMatchObject(exhausted("--max-header"));
});

test("HTTP/2 headers far above the limit fail their stream only, or end the connection", async () => {
  const agent = await startAgent();
  const connection = await connected(agent.port);
  const filler = Array.from({ length: 6 }, (_, index) => [`x-${index}`, "y".repeat(12_000)] as const);
  const block = postBlock("/process.Process/List", filler);
  const pieces = Array.from({ length: Math.ceil(block.length / 16_000) }, (_, index) =>
    block.subarray(index * 16_000, (index + 1) * 16_000),
  );
  const frames = pieces.map((piece, index) => {
    const type = index === 0 ? frameType.headers : frameType.continuation;
    const isLast = index === pieces.length - 1;
    return frame(type, (index === 0 ? END_STREAM : 0) | (isLast ? END_HEADERS : 0), 1, piece);
  });
  const next = postBlock("/process.Process/List", [["content-type", "application/proto"]]);
  const ask = frame(frameType.headers, END_STREAM | END_HEADERS, 3, next);
  connection.send(Buffer.concat([HELLO, ...frames, ask]));
  // An answer to the second request, or the end of the connection.
  await Promise.race([
    connection.closed(),
    connection.until(
      "an answer",
      (received) => received.includes(Buffer.from([0, 0, 0, 3, 0x88])) || undefined,
    ),
  ]);
  await expectCommandRuns(agent.port);
});

test("--request-timeout: a body that does not arrive is answered with deadline_exceeded that names the flag", async () => {
  const { port } = await startAgent({ args: ["--request-timeout", "100ms"] });
  const connection = await connected(port);
  connection.send(`${startHead}Content-Length: 100\r\n\r\n`);
  // A stream of Connect answers with 200 and the error in the body.
  const { status, body } = await connection.response();
  expect({ status, body: body.toString() }).toEqual({
    status: 200,
    body: expect.stringMatching(
      /"deadline_exceeded".*the request did not arrive within 100 ms \(--request-timeout\)/,
    ),
  });
  await connection.closed();
});

test("--request-memory: a request above it is refused, others are answered, and it succeeds once there is room", async () => {
  const agent = await startAgent({ args: ["--request-memory", "1MiB"] });
  const held = 5 + 900_000;
  const arriving = await connected(agent.port);
  arriving.send(`${startHead}Content-Length: ${held}\r\n\r\n`);
  arriving.send(envelope(Buffer.alloc(899_999), 0, 900_000));
  const big = { rpc: "SendInput", body: `{${" ".repeat(500_000)}}` };
  await eventually(
    "the agent has read all of it",
    () => isTaken(arriving, agent.port),
    () => arriving.socket.writableLength,
  );
  expect(await callRpc(agent.port, "Connect JSON", big)).toMatchObject(exhausted("--request-memory"));
  await expectCommandRuns(agent.port);
  arriving.cut();
  const answered = async () => (await callRpc(agent.port, "Connect JSON", big)).code === "unimplemented";
  await eventually("room again", answered, () => 0);
});

test("--request-memory: a StreamInput whose messages add up to more is not refused", async () => {
  const agent = await startAgent({ args: ["--request-memory", "1MiB"] });
  const client = openGrpcClient(agent.port);
  const reader = client.stream("start", { process: { cmd: "wc", args: ["-c"] }, stdin: true });
  const events = reader[Symbol.asyncIterator]();
  await events.next();
  const [pid = 0] = childrenOf(agent.pid);
  const { call, answer } = client.streamInput();
  call.write({ start: { process: { pid } } });
  for (let i = 0; i < 50; i++) call.write({ data: { input: { stdin: Buffer.alloc(100_000) } } });
  call.end();
  await answer;
  await client.unary("closeStdin", { process: { pid } });
  const { value } = await events.next();
  expect(value?.event?.event).toMatchObject({ case: "data" });
  expect(JSON.stringify(Buffer.from(value.event.event.value.output.value).toString())).toBe('"5000000\\n"');
});

test("--max-idle-connections: the longest idle one is closed, and one with a stream never", async () => {
  const agent = await startAgent({ args: ["--max-idle-connections", "5"] });
  const busy = await openStart(agent.port, sleep);
  const idle: RawConnection[] = [];
  for (let i = 0; i < 8; i++) idle.push(await connected(agent.port));
  for (const connection of idle.slice(0, 3)) await connection.closed();
  await expectCommandRuns(agent.port);
  expect(busy.socket.closed).toBe(false);
  await idle[3]?.closed();
  const last = idle[7];
  last?.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(await last?.response()).toMatchObject({ status: 204 });
});

test("--idle-timeout: a connection is closed after it has been idle for so long", async () => {
  const agent = await startAgent({ args: ["--idle-timeout", "200ms"] });
  const before = fdCount(agent.pid);
  const connection = await connected(agent.port);
  connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await connection.response();
  await connection.closed();
  await eventually(
    "its descriptor is closed",
    () => fdCount(agent.pid) <= before,
    () => fdCount(agent.pid),
  );
});

test.each([
  ["--max-processes", "0"],
  ["--max-streams", "-1"],
  ["--max-header", "16"],
  ["--idle-timeout", "soon"],
])("%s %s is one line and exit code 2", async (flag, value) => {
  await expect(startAgent({ args: [flag, value] })).rejects.toThrow(/"code":2.*holdfast: option '--/s);
});
