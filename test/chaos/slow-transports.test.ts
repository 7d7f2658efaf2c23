// Slow subscribers over each transport (rule 11): a client that takes longer than the stall timeout to
// receive one frame makes progress as the kernel or the flow control sees it, and is not disconnected.

import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { JsonValue } from "@bufbuild/protobuf";
import { expect, onTestFinished, test, vi } from "vitest";
import { runCommand } from "../support/agent/agent.ts";
import { requestBytes } from "../support/clients/raw-http.ts";
import { contentType, encodeBody } from "../support/clients/rpc-call.ts";
import { keepReceiveBufferSmall } from "../support/network/receive-buffer.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { eventually } from "../support/proc/proc.ts";
import { sideBySide } from "../support/side-by-side.ts";
import { createTempFolder } from "../support/temp-folder.ts";

vi.setConfig({ testTimeout: 120_000 });

const FRAME_BYTES = 65_536;
/** How many frames a slow client reads slowly. */
const SLOW_FRAMES = 3;
/** The most that the kernel holds of a connection with a small receive buffer, or of a Unix socket. */
const KERNEL_FRAMES = 5;
/** 40 kB/s: a frame takes 1.6 times the stall timeout. */
const READ_BYTES = 4096;
const READ_EVERY_MS = 100;

const pem = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));
const ca = readFileSync(pem("cert"));

interface Agent {
  readonly url: string;
  readonly socketPath?: string;
}

async function startAgent(kind: "tcp" | "tls" | "unix"): Promise<Agent> {
  const path = kind === "unix" ? join(createTempFolder(), "agent.sock") : undefined;
  const listen = path === undefined ? ["--port", "0"] : ["--listen", `unix:${path}`];
  const tls = kind === "tls" ? ["--tls-cert", pem("cert"), "--tls-key", pem("key")] : [];
  const args = ["serve", ...listen, ...tls, "--stall-timeout", "1s"];
  const agent = runCommand({ args, nodeArgs: slowNetworkArgs });
  const [, url = ""] = await agent.waitFor("stdout", /^holdfast listening on (\S+)\n/m);
  return path === undefined ? { url } : { url: "http://localhost", socketPath: path };
}

type Open = (agent: Agent, rpc: "Start" | "Connect", body: JsonValue, isSlow: boolean) => Promise<Readable>;

const openHttp1: Open = (agent, rpc, body, isSlow) =>
  new Promise((resolve, reject) => {
    const send = agent.url.startsWith("https:") ? httpsRequest : httpRequest;
    const { url, ...options } = agent;
    const target = `${url}/process.Process/${rpc}`;
    const headers = { "content-type": contentType("Connect binary", rpc) };
    const call = send(target, { method: "POST", ca, headers, ...options }, (response: IncomingMessage) => {
      if (isSlow && agent.socketPath === undefined) keepReceiveBufferSmall(response.socket);
      resolve(response.pause());
    });
    call.on("error", reject).end(encodeBody("Connect binary", rpc, [body]));
    onTestFinished(() => void call.destroy());
  });

function openHttp2(
  session: ClientHttp2Session,
  rpc: "Start" | "Connect",
  body: JsonValue,
): Promise<Readable> {
  const stream = session.request({
    ":method": "POST",
    ":path": `/process.Process/${rpc}`,
    "content-type": contentType("Connect binary", rpc),
  });
  stream.end(encodeBody("Connect binary", rpc, [body]));
  return new Promise((resolve, reject) => {
    stream.on("response", () => resolve(stream.pause())).on("error", reject);
  });
}

function newSession({ url }: Agent): ClientHttp2Session {
  const session = connectHttp2(url, { ca, settings: { initialWindowSize: 16_384 } });
  onTestFinished(() => session.destroy());
  return session;
}

/** Reads as fast as it can. */
function readAll(stream: Readable): void {
  stream.on("error", () => {
    // The test ends first.
  });
  stream.resume();
}

interface SlowReader {
  readonly bytes: number;
  readonly hasEnded: boolean;
  /** From now on it reads without pauses. */
  hurry(): void;
}

/** Reads some bytes at intervals, and counts them. */
function readSlowly(stream: Readable): SlowReader {
  const reader = {
    bytes: 0,
    hasEnded: false,
    hurry: () => {
      clearInterval(timer);
      stream.removeAllListeners("readable");
      stream.on("data", (piece: Buffer) => {
        reader.bytes += piece.length;
      });
      stream.resume();
    },
  };
  stream.on("error", () => {
    reader.hasEnded = true;
  });
  stream.on("end", () => {
    reader.hasEnded = true;
  });
  stream.on("readable", () => {
    // Bytes are read by the timer.
  });
  const timer = setInterval(() => {
    const piece: unknown = stream.read(READ_BYTES) ?? stream.read();
    if (piece instanceof Buffer) reader.bytes += piece.length;
  }, READ_EVERY_MS);
  onTestFinished(() => clearInterval(timer));
  return reader;
}

/** The same over a Unix socket. It has no receive buffer to make small, and Node's http reads 64 KiB at once. */
function readUnixSlowly(path: string, pid: number): SlowReader {
  let pauseMs = READ_EVERY_MS;
  const reader = {
    bytes: 0,
    hasEnded: false,
    hurry: () => {
      pauseMs = 0;
    },
  };
  const body = encodeBody("Connect binary", "Connect", [{ process: { pid } }]);
  const headers = { "content-type": contentType("Connect binary", "Connect") };
  const onread = {
    buffer: Buffer.alloc(READ_BYTES),
    callback: (bytes: number) => {
      reader.bytes += bytes;
      setTimeout(() => socket.resume(), pauseMs);
      return false;
    },
  };
  const socket = connect({ path, onread }, () => {
    socket.write(requestBytes({ path: "/process.Process/Connect", headers, body }));
  });
  socket.on("close", () => {
    reader.hasEnded = true;
  });
  onTestFinished(() => void socket.destroy());
  return reader;
}

const openNewSession: Open = (agent, rpc, body) => openHttp2(newSession(agent), rpc, body);

const transports: readonly (readonly [string, readonly ["tcp" | "tls" | "unix", Open]])[] = [
  ["HTTP/1.1", ["tcp", openHttp1]],
  ["HTTP/1.1 over TLS", ["tls", openHttp1]],
  ["HTTP/1.1 over a Unix socket", ["unix", openHttp1]],
  ["h2c", ["tcp", openNewSession]],
  ["HTTP/2 over TLS", ["tls", openNewSession]],
];

test("over every transport, a subscriber that takes longer than the stall timeout for a frame is not disconnected", () =>
  sideBySide(transports, async ([kind, open]) => {
    const agent = await startAgent(kind);
    const { pid, fifo } = await startFlood(agent);
    const slow =
      agent.socketPath === undefined
        ? readSlowly(await open(agent, "Connect", { process: { pid } }, true))
        : readUnixSlowly(agent.socketPath, pid);
    fifo.open();
    await eventually(
      "some frames",
      () => slow.bytes > SLOW_FRAMES * FRAME_BYTES || slow.hasEnded,
      () => slow,
      90_000,
    );
    // A disconnected client would still find what the kernel holds, and then the end.
    slow.hurry();
    const end = slow.bytes + KERNEL_FRAMES * FRAME_BYTES;
    await eventually(
      "more than the kernel holds",
      () => slow.bytes > end || slow.hasEnded,
      () => slow,
      90_000,
    );
    expect(slow.hasEnded).toBe(false);
  }));

test("over h2c, a slow subscriber beside a fast one of the same connection is not disconnected", async () => {
  const agent = await startAgent("tcp");
  const { pid, fifo } = await startFlood(agent);
  const session = newSession(agent);
  const slow = readSlowly(await openHttp2(session, "Connect", { process: { pid } }));
  readAll(await openHttp2(session, "Connect", { process: { pid } }));
  fifo.open();
  await eventually(
    "some frames",
    () => slow.bytes > SLOW_FRAMES * FRAME_BYTES || slow.hasEnded,
    () => slow,
    90_000,
  );
  expect(slow.hasEnded).toBe(false);
});

test("over every transport, a subscriber that accepts nothing is disconnected after the stall timeout", () =>
  sideBySide(transports, async ([kind, open]) => {
    const agent = await startAgent(kind);
    const { pid, fifo, fast } = await startFlood(agent);
    await open(agent, "Connect", { process: { pid } }, true);
    fifo.open();
    await eventually(
      "the other one received everything",
      () => fast.bytes > FLOOD_BYTES,
      () => fast,
      90_000,
    );
  }));

const FLOOD_BYTES = 30_000_000;

/** A process that prints zeros when the fifo opens, to a client that reads as fast as it can. */
async function startFlood(agent: Agent) {
  const fifo = createFifo();
  const script = `${fifo.wait}; exec head -c ${FLOOD_BYTES} /dev/zero`;
  const body = { process: { cmd: "sh", args: ["-c", script] }, stdin: false };
  const stream = await openHttp1(agent, "Start", body, false);
  const fast = { bytes: 0 };
  const pid = await new Promise<number>((resolve) => {
    stream.once("data", (start: Buffer) => {
      // Envelope of 5 bytes, event, start event, field 1: the pid as a varint.
      resolve(varint(start.subarray(10)));
      stream.on("data", (data: Buffer) => {
        fast.bytes += data.length;
      });
    });
    stream.on("error", () => {
      // The test ends first.
    });
    stream.resume();
  });
  return { pid, fifo, fast };
}

function varint(bytes: Buffer): number {
  let value = 0;
  for (const [index, byte] of bytes.entries()) {
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) break;
  }
  return value;
}
