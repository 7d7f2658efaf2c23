// `--tls-cert` and `--tls-key`: HTTP/2 if both sides want it, else HTTP/1.1, and nothing without TLS.

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent, get, request as httpsRequest } from "node:https";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { Process } from "../../src/gen/process_pb.ts";
import { type RunningCommand, runCommand } from "../support/agent/agent.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { eventually, fdCount } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const file = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));
const ca = readFileSync(file("cert"));

async function startSecure(
  ...more: readonly string[]
): Promise<RunningCommand & { readonly url: string; readonly port: number }> {
  const args = ["serve", "--port", "0", "--tls-cert", file("cert"), "--tls-key", file("key"), ...more];
  const agent = runCommand({ args });
  const [, url = ""] = await agent.waitFor("stdout", /^holdfast listening on (https:\S+)\n/m);
  return { ...agent, url, port: Number(new URL(url).port) };
}

test.each(["http/1.1", "h2"])("a client that offers only %s by ALPN gets it", async (protocol) => {
  const { url } = await startSecure();
  if (protocol === "h2") {
    const session = connectHttp2(url, { ca });
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":path": "/health" });
    const status = await new Promise((resolve, reject) => {
      session.on("error", reject);
      stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
    });
    expect([session.alpnProtocol, status]).toEqual(["h2", 204]);
    return;
  }
  const status = await new Promise((resolve, reject) => {
    httpsRequest(`${url}/health`, { ca }, (response) => resolve(response.resume().statusCode))
      .on("error", reject)
      .end();
  });
  expect(status).toBe(204);
});

const nodeOptions = { ca };

test.each([
  [
    "Connect over HTTP/1.1",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
  ],
  [
    "Connect over HTTP/2",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
  ],
  ["gRPC over HTTP/2", (baseUrl: string) => createGrpcTransport({ baseUrl, nodeOptions })],
])("over %s, 5 MB of output arrive complete", async (_, open) => {
  const { url } = await startSecure();
  const transport = open(url);
  const client = createClient(Process, transport);
  let bytes = 0;
  let exitCode: number | undefined;
  const script = "head -c 5000000 /dev/zero";
  for await (const { event } of client.start({ process: { cmd: "sh", args: ["-c", script] } })) {
    if (event?.event.case === "data") bytes += event.event.value.output.value?.length ?? 0;
    if (event?.event.case === "end") exitCode = event.event.value.exitCode;
  }
  expect({ bytes, exitCode }).toEqual({ bytes: 5_000_000, exitCode: 0 });
});

test("two downloads of 20 MB on one connection of HTTP/1.1 arrive byte for byte", async () => {
  const { url } = await startSecure();
  const content = Buffer.from(Uint32Array.from({ length: 5_000_000 }, (_, index) => index).buffer);
  const path = join(createTempFolder(), "file");
  writeFileSync(path, content);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
  onTestFinished(() => agent.destroy());
  const download = async () => {
    const request = get(`${url}/files?path=${path}`, { agent });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return Buffer.concat(await response.toArray()).equals(content);
  };
  expect(await Promise.all([download(), download()])).toEqual([true, true]);
});

test("a client without TLS, with garbage, or that disconnects gets no answer and leaves nothing behind", async () => {
  const agent = await startSecure();
  const before = fdCount(agent.pid);
  for (const bytes of [
    "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00",
    "\0".repeat(1000),
  ]) {
    const connection = await openConnection(agent.port);
    connection.send(Buffer.from(bytes, "latin1"));
    if (bytes.startsWith("\x16")) connection.cut();
    else await connection.closed();
    expect(connection.received().toString("latin1")).not.toContain("HTTP/");
  }
  await eventually(
    "no descriptor more than before",
    () => fdCount(agent.pid) <= before,
    () => fdCount(agent.pid),
  );
});

test("a silent client is disconnected after the header timeout, and others are answered meanwhile", async () => {
  const { port, url } = await startSecure("--header-timeout", "1s");
  const silent = connectPlain({ port, host: "127.0.0.1" });
  onTestFinished(() => void silent.destroy());
  const closed = new Promise<void>((resolve) => silent.once("close", resolve));
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "2", nodeOptions: { ca } });
  expect(await createClient(Process, transport).list({})).toMatchObject({ processes: [] });
  silent.on("error", () => undefined).resume();
  await closed;
});
