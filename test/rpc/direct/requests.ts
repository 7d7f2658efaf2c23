// Requests of which some have the common form and most differ from it somewhere: a header, a flag, a byte.

import { gzipSync } from "node:zlib";
import { type DescMessage, fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { Process } from "../../../src/gen/process_pb.ts";
import { mutate, pick } from "../../fuzz/mutations.ts";
import { envelope } from "../../support/clients/envelopes.ts";

type Rpc = "Start" | "Connect" | "SendInput" | "StreamInput" | "List";

const messages: readonly (readonly [Rpc, JsonValue])[] = [
  ["Start", { process: { cmd: "true", args: ["a", "é"], envs: { A: "1" } }, stdin: false }],
  ["Start", { process: { cmd: "missing" } }],
  ["Start", { process: { cmd: "long" } }],
  ["Start", { process: { cmd: "bug" }, pty: { size: { cols: 80, rows: 24 } } }],
  ["Start", { process: { cmd: "true" }, tag: "large" }],
  ["Start", { process: { cmd: "true" }, tag: "missing later", output: { detached: "DETACHED_RING" } }],
  ["Connect", { process: { pid: 1 }, lag: "LAG_SKIP", fromOffset: "9007199254740993" }],
  ["Connect", { process: { tag: "x" }, generation: "nothing" }],
  ["Connect", { generation: "missing" }],
  ["SendInput", { process: { pid: 1 }, input: { stdin: "aGk=" } }],
  ["SendInput", { process: { tag: "missing" }, input: { pty: "aGk=" } }],
  ["SendInput", { process: { pid: 1 }, input: { stdin: "eA==".repeat(200) }, offset: "5", writer: "w" }],
  ["SendInput", {}],
  ["StreamInput", { start: { process: { pid: 1 } } }],
  ["StreamInput", { data: { input: { stdin: "aGk=" }, offset: "7" } }],
  ["StreamInput", { data: { input: { stdin: "eA==".repeat(100) } } }],
  ["StreamInput", { start: { process: { tag: "missing" } } }],
  ["StreamInput", { keepalive: {} }],
  ["StreamInput", {}],
  ["List", {}],
  ["List", { pageSize: 5, pageToken: "bug" }],
  ["List", { pageSize: 3000, process: { pid: 3 } }],
  ["List", { pageToken: "long" }],
];

const json: Readonly<Record<string, string>> = {
  unknown: '{"nothing":[1,{"a":null}],"process":{"pid":1}}',
  enum: '{"lag":"LAG_SKPI"}',
  nested: `{"x":${"[".repeat(1100)}${"]".repeat(1100)}}`,
  many: `{"x":[${"1,".repeat(1500)}1]}`,
  invalid: '{"process":{"pid":"x"}}',
  twice: '{"process":{"pid":1},"process":{"pid":2}}',
  null: "null",
  text: '"a"',
  empty: "",
  bom: "\ufeff{}",
  surrogate: '{"process":{"tag":"\\ud800"}}',
  spaces: ' \n{"process" : {"pid":1}} ',
};

/** Every value is sent now and then, with every type. */
const headerValues: Readonly<Record<string, readonly string[]>> = {
  "accept-encoding": ["gzip", "br, gzip", "identity", "", "deflate", "gzip;q=0", "GZIP", " gzip ", "*"],
  "connect-accept-encoding": ["gzip", "br", "identity", "zstd", "zstd,gzip"],
  "content-encoding": ["identity", "gzip", "br", "", "zstd", "Identity", "identity, identity"],
  "connect-content-encoding": ["identity", "gzip", "", "zstd"],
  "connect-timeout-ms": ["0", "60000", "00060000", "9999999999", "99999999999", "-1", "1.5", "", "x", "1, 2"],
  "connect-protocol-version": ["1", "2", ""],
  "keepalive-ping-interval": ["5", "0", "x"],
  authorization: ["Basic cm9vdDo=", "Basic cm9vdA==", "basic  OnA=", "Bearer x", "Basic", ""],
  host: ["a b", "[::1", "[::1]:1", "x:99999", "1.2.3.4.5", "a@b", "a?b", "a/b", "", "é"],
  expect: ["100-continue"],
  connection: ["close", "keep-alive"],
  "content-type": [
    ...[
      "application/json; charset=utf-8",
      "APPLICATION/JSON",
      "application/json;charset=latin1",
      "text/plain",
    ],
    ...["application/connect", "application/connect+json", "application/connect+proto", "application/json"],
    ...[
      "application/proto",
      "application/grpc-web+proto",
      "application/grpc",
      "",
      "application/connect+json ",
    ],
  ],
  "grpc-timeout": ["1S"],
  "x-user-agent": ["connect-es/2"],
};
const requestLines = ["GET", "PUT", "OPTIONS"];
const targets = ["?x=1", "/", "?encoding=json&message=%7B%7D", "%20"];

export interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** Follows from `random` alone. */
export function requestOf(random: () => number): SentRequest {
  const [rpc, message] = pick(messages, random);
  const isUnary = rpc === "SendInput" || rpc === "List";
  const codec = random() < 0.5 ? "json" : "proto";
  const path = `/process.Process/${rpc}${random() < 0.03 ? pick(targets, random) : ""}`;
  const headers: Record<string, string | undefined> = {
    "content-type": `application/${isUnary ? "" : "connect+"}${codec}`,
    "user-agent": "test/1",
  };
  for (let changes = Math.floor(random() ** 2 * 4); changes > 0; changes--) {
    const [name, values] = pick(Object.entries(headerValues), random);
    headers[name] = pick(values, random);
  }
  if (random() < 0.02) headers["content-type"] = undefined;
  const body = bodyOf(rpc, message, codec, isUnary, random);
  const method = random() < 0.03 ? pick(requestLines, random) : "POST";
  return { method, path, headers, body };
}

function bodyOf(rpc: Rpc, message: JsonValue, codec: string, isUnary: boolean, random: () => number): Buffer {
  const odd = codec === "json" && random() < 0.2 ? pick(Object.values(json), random) : undefined;
  let data = odd === undefined ? encoded(rpc, message, codec) : Buffer.from(odd);
  if (random() < 0.15) data = mutate(data, random);
  if (random() < 0.04) data = Buffer.concat([data, Buffer.alloc(Math.floor(random() * 6000), " ")]);
  if (random() < 0.04) data = gzipSync(data);
  if (isUnary) return random() < 0.03 ? envelope(data) : data;
  const flags = random() < 0.85 ? 0 : pick([1, 2, 3, 4, 0x80], random);
  const whole = Buffer.concat([...earlierMessages(rpc, codec, random), envelope(data, flags)]);
  if (random() < 0.05) return Buffer.concat([whole, random() < 0.5 ? envelope(Buffer.from("{}"), 2) : whole]);
  if (random() < 0.05) return mutate(whole, random);
  return random() < 0.03 ? data : whole;
}

/** Of a client stream: valid ones, in any number. */
function earlierMessages(rpc: Rpc, codec: string, random: () => number): readonly Buffer[] {
  if (rpc !== "StreamInput") return [];
  const valid = messages.filter(([name]) => name === rpc);
  return Array.from({ length: Math.floor(random() ** 2 * 6) }, () =>
    envelope(encoded(rpc, pick(valid, random)[1], codec)),
  );
}

function encoded(rpc: Rpc, message: JsonValue, codec: string): Buffer {
  if (codec === "json") return Buffer.from(JSON.stringify(message));
  const input = Process.methods.find(({ name }) => name === rpc)?.input as DescMessage;
  return Buffer.from(toBinary(input, fromJson(input, message)));
}

/**
 * The pieces in which bytes are sent. Those of a client stream are one: how much of a stream is handled before a mistake in
 * it depends on what has arrived.
 */
export function split(bytes: Buffer, { path }: SentRequest, random: () => number): readonly Buffer[] {
  if (random() < 0.7 || path.includes("StreamInput")) return [bytes];
  const at = Math.floor(random() * bytes.length);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}
