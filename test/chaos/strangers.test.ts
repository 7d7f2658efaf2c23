// Attacks without the token: nothing runs, the agent's memory stays bounded, and clients with the
// token are served during and after the attack.

import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import {
  END_HEADERS,
  END_STREAM,
  frame,
  frameType,
  frameTypes,
  HELLO,
  headerBlock,
  postBlock,
} from "../support/clients/http2-frames.ts";
import { openConnection, type RawConnection, rawCall } from "../support/clients/raw-http.ts";
import { callRpc, encodeBody } from "../support/clients/rpc-call.ts";
import { childrenOf, eventually, fdCount, rssBytes } from "../support/proc/proc.ts";
import { forgetPeakRss, peakRssBytes } from "../support/proc/proc-activity.ts";

vi.setConfig({ testTimeout: 60_000 });

const TOKEN = "only-friends-know-it";
const env = { HOLDFAST_ACCESS_TOKEN: TOKEN, HOLDFAST_LOG_LEVEL: "warn" };
const MB = 1_000_000;
/** Growth in one test. Node 26 leaves up to 150 MB of read buffers to its collector. */
const MOST_GROWTH_BYTES = 250 * MB;

let agent: RunningAgent;
let fdsBefore = 0;
let rssBefore = 0;

beforeAll(async () => {
  agent = await startAgent({ env });
  for (let i = 0; i < 20; i++) await friendIsServed();
  fdsBefore = fdCount(agent.pid);
});
beforeEach(() => {
  forgetPeakRss(agent.pid);
  rssBefore = rssBytes(agent.pid);
});
afterEach(async () => {
  await friendIsServed();
  await eventually(
    "nothing of the strangers is left",
    () => fdCount(agent.pid) <= fdsBefore && childrenOf(agent.pid).length === 0,
    () => ({ fds: fdCount(agent.pid), was: fdsBefore, children: childrenOf(agent.pid) }),
    15_000,
  );
  expect(peakRssBytes(agent.pid) - rssBefore).toBeLessThan(MOST_GROWTH_BYTES);
  expect(agent.stderr()).toBe("");
});
afterAll(async () => void (await agent.stop()));

/**
 * Runs a command with the token while the attacking connections are still open. Alone it takes 5
 * ms.
 */
async function friendIsServed({ port } = agent): Promise<void> {
  const body = encodeBody("Connect JSON", "Start", [{ process: { cmd: "echo", args: ["hi"] } }]);
  const headers = { "x-access-token": TOKEN };
  const answer = await callRpc(port, "Connect JSON", { rpc: "Start", body, headers });
  expect({ code: answer.code, messages: answer.messages.length }).toEqual({ code: "ok", messages: 3 });
}

async function connected(): Promise<RawConnection> {
  const connection = await openConnection(agent.port);
  onTestFinished(() => connection.cut());
  return connection;
}

async function manyConnected(count: number, { port } = agent): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  for (let i = 0; i < count; i += 50) {
    const batch = Array.from({ length: Math.min(50, count - i) }, () => openConnection(port));
    connections.push(...(await Promise.all(batch)));
  }
  onTestFinished(() => {
    for (const connection of connections) connection.cut();
  });
  return connections;
}

const closedOf = (connections: readonly RawConnection[]) =>
  connections.filter(({ socket }) => socket.closed).length;

test("of 2,000 idle connections 1,024 stay, the longest idle ones are closed, and other clients are served", async () => {
  const idle = await manyConnected(2000);
  await eventually(
    "976 are closed",
    () => closedOf(idle) >= 976,
    () => closedOf(idle),
  );
  await friendIsServed();
  // The agent also closed one to make room for the client with the token.
  expect(closedOf(idle)).toBeLessThan(1000);
  expect(idle.slice(0, 900).every(({ socket }) => socket.closed)).toBe(true);
  expect(fdCount(agent.pid)).toBeLessThan(fdsBefore + 1100);
  for (const connection of idle) connection.cut();
});

test("200 connections that send their headers slowly are closed by the header timeout, and other clients are served meanwhile", async () => {
  // A timeout for this test alone: connections of the others may be idle for longer.
  const impatient = await startAgent({ env, args: ["--header-timeout", "2s"] });
  const slow = await manyConnected(200, impatient);
  const head = "POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nX: ";
  for (const connection of slow) connection.send(head);
  const drip = setInterval(() => {
    for (const { socket } of slow) if (!socket.destroyed) socket.write("x");
  }, 200);
  onTestFinished(() => clearInterval(drip));
  await friendIsServed(impatient);
  await eventually(
    "all are closed",
    () => closedOf(slow) === slow.length,
    () => closedOf(slow),
    20_000,
  );
});

test("without a token the answer comes before a slow body", async () => {
  const slow = await manyConnected(200);
  for (const connection of slow)
    connection.send(
      "POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\n" +
        "Content-Length: 16000000\r\n\r\n",
    );
  for (const connection of slow) {
    await connection.until("the refusal", (received) => received.includes("unauthenticated") || undefined);
    await connection.closed();
  }
});

test("unwanted bodies of 64 MB are refused and not held", async () => {
  const megabyte = Buffer.alloc(2 ** 20);
  const connections = await manyConnected(20);
  for (const connection of connections) {
    connection.send(
      "POST /process.Process/SendInput HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
        "Content-Length: 67108864\r\n\r\n",
    );
    for (let i = 0; i < 64; i++) connection.send(megabyte);
  }
  // The agent discards what still arrives, for 30 s at most.
  for (const connection of connections) await connection.closed(40_000);
  for (const connection of connections) expect(connection.received().toString()).toContain("unauthenticated");
});

test("a hundred oversized heads are refused with 431", async () => {
  const head = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(1_000_000)}\r\n\r\n`;
  for (let i = 0; i < 100; i++) expect(await rawCall(agent.port, head)).toMatchObject({ status: 431 });
});

const arrivedFrame = (type: number) => (received: Buffer) => frameTypes(received).includes(type) || undefined;

/** Resolves when GOAWAY or the end of the connection arrives. */
function turnedAway(attacker: RawConnection): Promise<unknown> {
  return attacker.until("a goaway", arrivedFrame(frameType.goaway)).catch(() => attacker.closed());
}

/** How many requests without the token were refused so far. */
async function refusals(): Promise<number> {
  const head = `GET /metrics/prometheus HTTP/1.1\r\nHost: localhost\r\nX-Access-Token: ${TOKEN}\r\nConnection: close\r\n\r\n`;
  const { body } = await rawCall(agent.port, head);
  const count = /^holdfast_refusals_total\{code="unauthenticated"\} (\d+)$/m.exec(body.toString())?.[1];
  return Number(count ?? 0);
}

const START = postBlock("/process.Process/Start", [["content-type", "application/grpc"]]);
const CANCEL = Buffer.from([0, 0, 0, 8]);

/** `count` streams, starting with number `first`. */
function rapidReset(first: number, count: number, block: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const stream = first + 2 * i;
    frames.push(
      frame(frameType.headers, END_HEADERS, stream, block),
      frame(frameType.reset, 0, stream, CANCEL),
    );
  }
  return Buffer.concat(frames);
}

const withToken = postBlock("/process.Process/Start", [
  ["content-type", "application/grpc"],
  ["x-access-token", TOKEN],
]);

test("10,000 streams opened and cancelled at once, without a token and with it, start nothing, and others are served meanwhile", async () => {
  const attackers = await manyConnected(8);
  for (const [index, attacker] of attackers.entries())
    attacker.send(Buffer.concat([HELLO, rapidReset(1, 2500, index % 2 === 0 ? START : withToken)]));
  await friendIsServed();
  for (const attacker of attackers)
    await Promise.race([attacker.closed(), attacker.until("a goaway", arrivedFrame(frameType.goaway))]);
  await friendIsServed();
  for (const attacker of attackers) attacker.cut();
});

test("10,000 streams opened and cancelled on one connection end that connection", async () => {
  const attacker = await connected();
  attacker.send(Buffer.concat([HELLO, rapidReset(1, 10_000, START)]));
  await turnedAway(attacker);
  await friendIsServed();
  attacker.cut();
});

test("calls that are cancelled at once get no answer and cost nothing", async () => {
  const attacker = await connected();
  attacker.send(HELLO);
  await attacker.until("the agent's settings", arrivedFrame(frameType.settings));
  const before = await refusals();
  attacker.send(Buffer.concat([rapidReset(1, 200, START), frame(frameType.ping, 0, 0, Buffer.alloc(8))]));
  await attacker.until("the answer to the ping", arrivedFrame(frameType.ping));
  expect(await refusals()).toBe(before);
  // As many as a client may open.
  const lasting = Array.from({ length: 128 }, (_, i) =>
    frame(frameType.headers, END_HEADERS | END_STREAM, 401 + 2 * i, START),
  );
  attacker.send(Buffer.concat(lasting));
  await vi.waitFor(async () => expect(await refusals()).toBe(before + 128), 5_000);
  attacker.cut();
});

test("endless CONTINUATION frames end each connection, and nothing of them is held", async () => {
  const attackers = await manyConnected(10);
  const continuation = frame(frameType.continuation, 0, 1, headerBlock([["x", "y".repeat(8_000)]]));
  const flood = Buffer.concat(Array.from({ length: 200 }, () => continuation));
  for (const attacker of attackers) {
    attacker.send(Buffer.concat([HELLO, frame(frameType.headers, END_STREAM, 1, START)]));
    for (let i = 0; i < 20; i++) attacker.send(flood);
  }
  await friendIsServed();
  for (const attacker of attackers) await turnedAway(attacker);
  for (const attacker of attackers) attacker.cut();
});

test("200,000 empty CONTINUATION frames end the connection or do no harm", async () => {
  const attacker = await connected();
  const empty = frame(frameType.continuation, 0, 1);
  const thousands = Buffer.concat(Array.from({ length: 10_000 }, () => empty));
  attacker.send(Buffer.concat([HELLO, frame(frameType.headers, END_STREAM, 1, START)]));
  for (let i = 0; i < 20; i++) attacker.send(thousands);
  await friendIsServed();
  attacker.cut();
});
