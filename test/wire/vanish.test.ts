// A thousand clients that vanish, at every point at which a connection can break. They leave nothing in the
// agent, and the processes that they started continue and can be attached to.

import { type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { killProcesses } from "../support/agent/kill-processes.ts";
import { type ProbedAgent, startProbedAgent } from "../support/agent/probed-agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import {
  END_HEADERS,
  END_STREAM,
  frame,
  frameType,
  frameTypes,
  HELLO,
  postBlock,
} from "../support/clients/http2-frames.ts";
import { openConnection, type RawConnection, requestBytes } from "../support/clients/raw-http.ts";
import { callRpc } from "../support/clients/rpc-call.ts";
import { inParallel } from "../support/in-parallel.ts";
import { childrenOf, eventually, fdCount } from "../support/proc/proc.ts";
import { sideBySide } from "../support/side-by-side.ts";

const TYPE = { "content-type": "application/connect+json" };
const TRUE = { process: { cmd: "true" } };

function request(rpc: "Start" | "Connect", message: object): Buffer {
  const body = envelope(JSON.stringify(message));
  return requestBytes({ path: `/process.Process/${rpc}`, headers: TYPE, body });
}

/** Opens a connection, sends `bytes`, calls `more`, and disconnects by RST or FIN. */
function http1(bytes: Buffer, how: "reset" | "cut", more?: (connection: RawConnection) => Promise<unknown>) {
  return async (port: number): Promise<void> => {
    const connection = await openConnection(port);
    connection.send(bytes);
    await more?.(connection);
    connection[how]();
  };
}

function until(text: string) {
  return (connection: RawConnection) =>
    connection.until(text, (received) => received.includes(text) || undefined);
}

/** Opens an h2c connection, begins a request, calls `more`, and disconnects. */
function http2(
  rpc: "Start" | "Connect",
  message: object,
  how: "reset stream" | "destroy session",
  more?: (stream: ClientHttp2Stream) => Promise<unknown>,
) {
  return async (port: number): Promise<void> => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on("error", () => undefined);
    const stream = session.request({ ":method": "POST", ":path": `/process.Process/${rpc}`, ...TYPE });
    // The test resets it.
    stream.on("error", () => undefined);
    stream.end(envelope(JSON.stringify(message)));
    await more?.(stream);
    if (how === "reset stream") {
      const closed = new Promise((resolve) => stream.once("close", resolve));
      stream.close(constants.NGHTTP2_CANCEL);
      await closed;
    }
    session.destroy();
  };
}

function firstBytes(stream: ClientHttp2Stream): Promise<unknown> {
  return new Promise((resolve) => stream.once("data", resolve));
}

const start = request("Start", TRUE);
const attach = request("Connect", { process: { tag: "flood" } });
const FLOOD = { process: { tag: "flood" } };

const vanishing: readonly ((port: number) => Promise<void>)[] = [
  http1(Buffer.alloc(0), "cut"),
  http1(Buffer.alloc(0), "reset"),
  http1(start.subarray(0, 30), "cut"),
  http1(start.subarray(0, 30), "reset"),
  http1(start.subarray(0, -3), "cut"),
  http1(start.subarray(0, -3), "reset"),
  http1(start, "cut"),
  http1(start, "reset"),
  http1(start, "reset", until('"start"')),
  http1(start, "cut", until('"end"')),
  http1(start, "reset", until('"end"')),
  http1(Buffer.concat([start, start, start]), "reset", until('"start"')),
  http1(attach, "reset"),
  http1(attach, "cut", until('"stdout"')),
  http1(attach, "reset", until('"stdout"')),
  http1(HELLO.subarray(0, 10), "cut"),
  http1(HELLO, "reset"),
  http2("Start", TRUE, "reset stream"),
  http2("Start", TRUE, "destroy session"),
  http2("Start", TRUE, "destroy session", firstBytes),
  http2("Connect", FLOOD, "reset stream", firstBytes),
  http2("Connect", FLOOD, "destroy session", firstBytes),
];

test("a thousand clients that vanish at any point leave nothing, and their processes continue", {
  timeout: 90_000,
}, async () => {
  const agent = await startProbedAgent();
  // First everything that the agent loads and opens once.
  await vanish(agent, vanishing.length);
  await quiet(agent);
  const fds = fdCount(agent.pid);
  const { resources } = await agent.probe();

  await vanish(agent, 1000);

  await expectFlow(agent.port);
  await quiet(agent);
  const state = () => ({ fds: fdCount(agent.pid), was: fds, children: childrenOf(agent.pid) });
  await eventually("no descriptor more than before", () => fdCount(agent.pid) <= fds, state);
  expect(count((await agent.probe()).resources)).toEqual(count(resources));
  expect(agent.stderr()).not.toMatch(/"level":"error"|a warning from Node/);
});

/** `total` clients, 20 at a time, while a process floods. */
async function vanish(agent: ProbedAgent, total: number): Promise<void> {
  const flood = request("Start", { process: { cmd: "yes" }, tag: "flood" });
  await http1(flood, "cut", until('"start"'))(agent.port);
  await inParallel(total, 20, async (index) => vanishing[index % vanishing.length]?.(agent.port));
  await expectCommandRuns(agent.port);
}

/** No vanished client blocks the flood any more. */
async function expectFlow(port: number): Promise<void> {
  const connection = await openConnection(port);
  onTestFinished(() => connection.cut());
  connection.send(attach);
  // Several times what the agent and the connection can hold while no client reads.
  let bytes = 0;
  connection.socket.on("data", (piece) => {
    bytes += piece.length;
  });
  await eventually(
    "20 MB of the flood",
    () => bytes > 20e6,
    () => bytes,
  );
  connection.cut();
}

async function quiet(agent: ProbedAgent): Promise<void> {
  await killProcesses(agent.port);
  await eventually(
    "no child left",
    () => childrenOf(agent.pid).length === 0,
    () => childrenOf(agent.pid),
  );
}

/** The number of each name. */
function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

test.each([
  ["FIN", "cut"],
  ["RST", "reset"],
] as const)(
  "the process of a client that disconnected by %s can be listed, fed and attached to",
  async (_, how) => {
    const { port } = await startAgent();
    const ask = (rpc: string, message: object) =>
      callRpc(port, "Connect JSON", { rpc, body: JSON.stringify(message) });
    const cat = { process: { tag: "cat" } };
    await http1(request("Start", { process: { cmd: "cat" }, tag: "cat" }), how, until('"start"'))(port);

    const { messages } = await ask("List", {});
    expect(JSON.parse(String(messages[0]))).toMatchObject({
      processes: [{ config: { cmd: "cat" }, tag: "cat" }],
    });
    expect(await ask("SendInput", { ...cat, input: { stdin: "aGk=" } })).toMatchObject({ code: "ok" });
    const attached = await openConnection(port);
    onTestFinished(() => attached.cut());
    attached.send(request("Connect", cat));
    await until('"aGk="')(attached);
    expect(await ask("CloseStdin", cat)).toMatchObject({ code: "ok" });
    await until('"exit status 0"')(attached);
  },
);

const { headers, data, ping, goaway, continuation } = frameType;

const nonsense: readonly (readonly [string, Buffer])[] = [
  ["a ping of 7 bytes", frame(ping, 0, 0, Buffer.alloc(7))],
  ["data of an idle stream", frame(data, END_STREAM, 9, Buffer.alloc(8))],
  ["a continuation without headers before it", frame(continuation, END_HEADERS, 1, Buffer.alloc(8))],
];

test("an h2c client that attaches, sends what HTTP/2 does not allow and vanishes blocks no process", () =>
  sideBySide(nonsense, async (bytes) => {
    const agent = await startAgent();
    const flood = request("Start", { process: { cmd: "yes" }, tag: "flood" });
    await http1(flood, "cut", until('"start"'))(agent.port);
    const connection = await openConnection(agent.port);
    const block = postBlock("/process.Process/Connect", [["content-type", TYPE["content-type"]]]);
    connection.send(Buffer.concat([HELLO, frame(headers, END_HEADERS, 1, block)]));
    connection.send(frame(data, END_STREAM, 1, envelope(JSON.stringify(FLOOD))));
    await until('"stdout"')(connection);
    connection.send(bytes);
    await connection.until("a goaway", (received) => frameTypes(received).includes(goaway) || undefined);
    connection.cut();
    await expectFlow(agent.port);
  }));
