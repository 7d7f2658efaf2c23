// Clients that send what takes the agent much more memory than its bytes, as fast as they can, on many connections: memory
// stays within its bound (rule 14), and other clients are served (rule 15).

import { connect as connectHttp2 } from "node:http2";
import { expect, onTestFinished, test, vi } from "vitest";
import { chunkFlood, longHeadFlood, pipelinedFlood, streamFlood } from "../fixtures/floods.mjs";
import { startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { frameType, frameTypes } from "../support/clients/http2-frames.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { inParallel } from "../support/in-parallel.ts";
import { eventually } from "../support/proc/proc.ts";
import { peakRssBytes } from "../support/proc/proc-activity.ts";

vi.setConfig({ testTimeout: 120_000 });

const MIB = 1024 * 1024;
const BOUND_BYTES = 64 * MIB + 100_000_000;
const descriptors = ["prlimit", "--nofile=20000"];

const isRefusedStream = (received: Buffer) =>
  frameTypes(received).some((type) => type === frameType.reset || type === frameType.goaway);
const isAnswered = (received: Buffer) => received.includes("HTTP/1.1 ");

test.each([
  ["4,000 streams on each of ten", 10, streamFlood(4000), isRefusedStream],
  ["200 streams with headers of 50 KB on each of 100", 100, longHeadFlood(200, 50_000), isRefusedStream],
  ["a thousand pipelined requests on each of 60", 60, pipelinedFlood(1000), isAnswered],
  [
    "a message in 60,000 chunks of one byte on each of 12",
    12,
    chunkFlood(`{${" ".repeat(59_998)}}`),
    isAnswered,
  ],
])("%s connections leave memory bounded, and others are served", async (_, count, flood, isServed) => {
  const agent = await startAgent({ prefix: descriptors });
  onTestFinished(() => killAll(agent.url));
  const live = startStream(agent.port, { process: { cmd: "cat" }, tag: "live" });
  await live.started();
  await inParallel(count, count, async () => {
    const connection = await openConnection(agent.port);
    onTestFinished(() => connection.cut());
    connection.send(flood);
    let isClosed = false;
    const closed = connection.closed(90_000).then(() => {
      isClosed = true;
    });
    closed.catch(() => undefined);
    // Or the connection is closed, as one that sends too much ahead.
    await eventually(
      "an answer",
      () => isClosed || isServed(connection.received()),
      () => connection.received().length,
      60_000,
    );
  });
  expect(peakRssBytes(agent.pid)).toBeLessThan(BOUND_BYTES);
  await plainClient(agent.url).sendInput({
    process: { selector: { case: "tag", value: "live" } },
    input: { input: { case: "stdin", value: Buffer.from("x") } },
  });
  await live.received(1);
  await expectCommandRuns(agent.port);
});

test("during a flood of streams, a signal on a connection of its own works", async () => {
  const agent = await startAgent({ prefix: descriptors });
  onTestFinished(() => killAll(agent.url));
  const live = startStream(agent.port, { process: { cmd: "cat" }, tag: "live" });
  await live.started();
  const flood = streamFlood(4000);
  for (let i = 0; i < 10; i++) {
    const connection = await openConnection(agent.port);
    onTestFinished(() => connection.cut());
    connection.send(flood);
  }
  const session = connectHttp2(agent.url);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/process.Process/SendSignal",
    "content-type": "application/json",
  });
  stream.end(JSON.stringify({ process: { tag: "live" }, signal: "SIGNAL_SIGKILL" }));
  const status = new Promise((resolve, reject) => {
    stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
  });
  expect(await status).toBe(200);
  await live.ended();
});
