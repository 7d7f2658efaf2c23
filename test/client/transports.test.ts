// The same processes and the same back-pressure over every transport.

import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import {
  createConnectTransport as createFetchTransport,
  createGrpcWebTransport as createGrpcWebFetchTransport,
} from "@connectrpc/connect-web";
import { expect, test } from "vitest";
import type { ClientOptions, ConnectionState, ProcessInfo } from "../../src/client/index.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { untilFound } from "../support/until-found.ts";
import { collect } from "./collect.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo, httpVersions } from "./test-client.ts";

const agent = agentForFile();

const transports: readonly [string, (baseUrl: string) => ClientOptions][] = [
  ["HTTP/1.1", (baseUrl) => ({ baseUrl })],
  ["HTTP/2", (baseUrl) => ({ baseUrl, httpVersion: "2" })],
  ["gRPC", (baseUrl) => ({ transport: createGrpcTransport({ baseUrl }) })],
  [
    "JSON",
    (baseUrl) => ({
      transport: createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
    }),
  ],
  ["fetch", (baseUrl) => ({ transport: createFetchTransport({ baseUrl, useBinaryFormat: true }) })],
  ["gRPC-web by fetch", (baseUrl) => ({ transport: createGrpcWebFetchTransport({ baseUrl }) })],
];

test.each(transports)(
  "start, input, output and exit work over %s while connections are cut",
  async (_name, optionsFor) => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      kinds: ["rst", "fin"],
      afterBytes: { min: 1000, max: 300_000 },
    });
    const client = connectTo(proxy.url, optionsFor(proxy.url));
    const input = Array.from({ length: 60_000 }, (_, n) => `line ${n}\n`).join("");
    const process = await client.start({
      cmd: "bash",
      args: ["-c", "cat; exit 3"],
      stdin: true,
      output: { replayBytes: 4 * 1024 * 1024 },
    });
    const written = process.write(input).then(() => process.closeStdin());
    const { text, exit } = await collect(process);
    await written;
    expect({ same: text.stdout === input, exitCode: exit.exitCode }).toEqual({ same: true, exitCode: 3 });
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(1);
  },
);

test.each(transports)("a refusal and a time limit are reported over %s", async (_name, optionsFor) => {
  const client = connectTo(agent.url, optionsFor(agent.url));
  await expect(client.start({ cmd: "no-such-command" })).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(client.attach({ tag: "nobody" })).rejects.toMatchObject({ name: "ProcessGoneError" });
  await expect(client.signal({ tag: "nobody" }, "SIGINT")).rejects.toMatchObject({ code: "not_found" });
  const process = await client.start({ cmd: "sleep", args: ["60"], timeoutMs: 100 });
  await expect(process.discardOutput()).resolves.toMatchObject({ signal: "SIGKILL", timedOut: true });
});

test.each(transports)(
  "an unread process waits over %s and continues when it is read",
  async (_name, optionsFor) => {
    const client = connectTo(agent.url, optionsFor(agent.url));
    const process = await client.start({ cmd: "yes" });
    const iterator = process[Symbol.asyncIterator]();
    await iterator.next();
    const stopped = await stoppedReading(async () => (await client.list())[0]);
    // The kernel's buffers, the agent's window and one event read ahead.
    expect(stopped.offset).toBeLessThan(32 * 1024 * 1024);
    while (process.offset < stopped.offset) await iterator.next();
    expect((await client.list())[0]?.offset).toBeGreaterThan(stopped.offset);
  },
);

test.each([
  ["Connect", createConnectTransport],
  ["gRPC", createGrpcTransport],
])("a %s transport's own default for timeouts ends neither process nor stream", async (_name, create) => {
  const transport = create({ baseUrl: agent.url, httpVersion: "2", defaultTimeoutMs: 100 });
  const states: ConnectionState[] = [];
  const process = await connectTo("", { transport }).start(
    { cmd: "sleep", args: ["0.4"] },
    { onState: (state) => states.push(state) },
  );
  await expect(process.discardOutput()).resolves.toMatchObject({ exitCode: 0, timedOut: false });
  expect(states).toEqual([{ kind: "connected", offset: 0 }]);
});

test("a transport function that throws fails the call with its message", async () => {
  const client = connectTo("", {
    transport: () => {
      throw new Error("no certificate");
    },
  });
  const failure = {
    name: "ClientError",
    code: "invalid_argument",
    message: "the transport function failed: no certificate",
  };
  await expect(client.list()).rejects.toMatchObject(failure);
  await expect(client.start({ cmd: "true" })).rejects.toMatchObject(failure);
});

test.each(httpVersions)(
  "a connection that was idle for the keepalive interval is not reused, over HTTP/%s",
  async (httpVersion) => {
    const proxy = await startCuttingProxy({ port: agent.port });
    const client = connectTo(proxy.url, { httpVersion });
    await client.list();
    expect(proxy.connections).toBe(1);
    await untilFound(
      () => proxy.open === 0 || undefined,
      () => proxy.open,
    );
    await client.list();
    expect(proxy.connections).toBe(2);
  },
);

/** Resolves when the agent has stopped reading, and two looks in a row see the same. */
async function stoppedReading(look: () => Promise<ProcessInfo | undefined>): Promise<ProcessInfo> {
  let last: ProcessInfo | undefined;
  return untilFound(
    async () => {
      const before = last;
      last = await look();
      return last?.reading === false && last.offset === before?.offset ? last : undefined;
    },
    () => last,
  );
}
