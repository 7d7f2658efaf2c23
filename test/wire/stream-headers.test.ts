// The headers for proxies, on each stream over each protocol.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { beforeAll, expect, test } from "vitest";
import { Filesystem } from "../../src/gen/filesystem_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { Process } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

let agent: RunningAgent;
let folder: string;

beforeAll(async () => {
  agent = await startAgent();
  folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  await startAndLeave(agent.port, { process: { cmd: "cat", args: [] }, tag: "cat", stdin: true });
  return async () => {
    await agent.stop();
    rmSync(folder, { recursive: true });
  };
});

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "Connect JSON": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect binary over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};

const streams: Readonly<
  Record<string, (transport: Transport, onHeader: (headers: Headers) => void) => AsyncIterable<unknown>>
> = {
  Start: (transport, onHeader) =>
    createClient(Process, transport).start({ process: { cmd: "true" } }, { onHeader }),
  Connect: (transport, onHeader) =>
    createClient(Process, transport).connect(
      { process: { selector: { case: "tag", value: "cat" } } },
      { onHeader },
    ),
  WatchDir: (transport, onHeader) =>
    createClient(Filesystem, transport).watchDir({ path: folder }, { onHeader }),
  "health Watch": (transport, onHeader) => createClient(Health, transport).watch({}, { onHeader }),
};

test.each(
  Object.keys(transports).flatMap((protocol) => Object.keys(streams).map((stream) => [stream, protocol])),
)("%s over %s asks proxies not to hold back, keep or change it", async (stream, protocol) => {
  const transport = transports[protocol]?.(agent.url);
  let headers: Headers | undefined;
  const onHeader = (received: Headers) => {
    headers = received;
  };
  if (transport === undefined) throw new Error("no transport");
  for await (const _ of streams[stream]?.(transport, onHeader) ?? []) break;
  expect([headers?.get("x-accel-buffering"), headers?.get("cache-control")]).toEqual([
    "no",
    "no-store, no-transform",
  ]);
});
