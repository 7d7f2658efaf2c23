// Waits that the agent or a proxy asks for are kept, over every protocol.

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { create, createFileRegistry, toBinary } from "@bufbuild/protobuf";
import {
  DurationSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_duration,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import type { Client, ConnectionState } from "../../../src/client/index.ts";
import { retryAfterMs } from "../../../src/client/retry/retry-after.ts";
import { AnswerError, type ErrorDetail } from "../../../src/client/transport/answer-error.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { untilFound } from "../../support/until-found.ts";
import { endEvent, serveScript, startEvent } from "../scripted-agent.ts";
import { connectTo } from "../test-client.ts";

const retryInfo = (() => {
  const file = create(FileDescriptorProtoSchema, {
    name: "google/rpc/error_details.proto",
    package: "google.rpc",
    syntax: "proto3",
    dependency: ["google/protobuf/duration.proto"],
    messageType: [
      {
        name: "RetryInfo",
        field: [
          {
            name: "retry_delay",
            number: 1,
            label: FieldDescriptorProto_Label.OPTIONAL,
            type: FieldDescriptorProto_Type.MESSAGE,
            typeName: ".google.protobuf.Duration",
          },
        ],
      },
    ],
  });
  const set = create(FileDescriptorSetSchema, { file: [file_google_protobuf_duration.proto, file] });
  const desc = createFileRegistry(set).getMessage("google.rpc.RetryInfo");
  if (desc === undefined) throw new Error("no RetryInfo");
  return (seconds: number, nanos = 0) => ({
    desc,
    value: { retryDelay: create(DurationSchema, { seconds: BigInt(seconds), nanos }) },
  });
})();

test.each<[string, Record<string, string>, number | undefined]>([
  ["seconds", { "Retry-After": "3" }, 3000],
  ["zero seconds", { "Retry-After": "0" }, undefined],
  ["a date that has passed", { "Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT" }, undefined],
  ["a date far away", { "Retry-After": "Wed, 21 Oct 2105 07:28:00 GMT" }, 120_000],
  ["more than two minutes", { "Retry-After": "86400" }, 120_000],
  ["an invalid value", { "Retry-After": "soon" }, undefined],
  ["no header", {}, undefined],
])("Retry-After with %s", (_value, headers, expected) => {
  expect(retryAfterMs(new AnswerError("unavailable", "busy", { metadata: new Headers(headers) }))).toBe(
    expected,
  );
});

test("a malformed RetryInfo is ignored, and the longer of two waits counts", () => {
  const metadata = new Headers({ "Retry-After": "1" });
  const details: ErrorDetail[] = [];
  const error = new AnswerError("unavailable", "busy", { metadata, details });
  const duration = toBinary(DurationSchema, create(DurationSchema, { seconds: 2n, nanos: 500_000_000 }));
  details.push({ type: "google.rpc.RetryInfo", value: new Uint8Array([0x0a, 0x7f]) });
  expect(retryAfterMs(error)).toBe(1000);
  details.push({
    type: "google.rpc.RetryInfo",
    value: new Uint8Array([0x0a, duration.length, ...duration]),
  });
  expect(retryAfterMs(error)).toBe(2500);
});

/** A proxy in front of nothing. */
async function serveRefusals(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A client in fake time without jitter, so its timers are the waits that it was asked for. */
function clientWithoutJitter(url: string, options: Parameters<typeof connectTo>[1] = {}) {
  const clock = new FakeClock();
  const reconnect = { clock, random: () => 0, keepaliveSeconds: 1000, callRetryMs: 60_000 };
  const states: ConnectionState[] = [];
  const client = connectTo(url, { ...options, reconnect });
  return { clock, client, states, onState: (state: ConnectionState) => void states.push(state) };
}

test.each<[string, number, (client: Client) => Promise<unknown>]>([
  ["a list that gets 503", 503, (client) => client.list()],
  ["a list that gets 429", 429, (client) => client.list()],
  ["a start that gets 503", 503, (client) => client.start({ cmd: "x" })],
  ["an attach that gets 429", 429, (client) => client.attach({ pid: 1 })],
])("%s with Retry-After from a proxy waits that long", async (_call, status, call) => {
  const url = await serveRefusals((response) =>
    response.writeHead(status, { "Retry-After": "7", "Content-Type": "text/plain" }).end("busy"),
  );
  const { clock, client } = clientWithoutJitter(url);
  const pending = call(client);
  const failed = expect(pending).rejects.toMatchObject({ name: "DetachedError" });
  await untilFound(
    () => (clock.pendingMs[0] === 7000 ? true : undefined),
    () => clock.pendingMs,
  );
  client.close();
  await failed;
});

test.each([
  ["Connect", undefined],
  ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
] as const)(
  "the RetryInfo of a %s error is waited for, even by a start that is refused",
  async (protocol, create) => {
    let streams = 0;
    const service = {
      async *start() {
        if (++streams === 1)
          throw new ConnectError("too many processes", Code.ResourceExhausted, undefined, [
            retryInfo(2, 250_000_000),
          ]);
        yield { event: { event: startEvent(0) } };
        yield { event: { event: endEvent(0) } };
      },
    };
    const url = await serveScript(service, protocol === "gRPC" ? "2" : "1.1");
    const transport = create?.(url);
    const { clock, client, states, onState } = clientWithoutJitter(url, transport && { transport });
    const started = client.start({ cmd: "x" }, { onState });
    await untilFound(
      () => (clock.pendingMs[0] === 2250 ? true : undefined),
      () => clock.pendingMs,
    );
    expect(states).toMatchObject([
      { kind: "reconnecting", delayMs: 2250, reason: { code: "resource_exhausted" } },
    ]);
    clock.advance(2250);
    expect(await (await started).discardOutput()).toMatchObject({ exitCode: 0 });
  },
);
