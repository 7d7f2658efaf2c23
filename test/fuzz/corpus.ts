// The requests that fuzzing starts from: a valid request of every RPC in every protocol, over
// HTTP/1.1 and HTTP/2, and one for every path that is not an RPC.

import { gzipSync } from "node:zlib";
import type { JsonValue } from "@bufbuild/protobuf";
import { envelope, parseEnvelopes } from "../support/clients/envelopes.ts";
import { END_HEADERS, END_STREAM, frame, frameType, postBlock } from "../support/clients/http2-frames.ts";
import { contentType, encodeBody, type Protocol, protocols } from "../support/clients/rpc-call.ts";

/** The flag of a compressed envelope. */
const COMPRESSED = 1;

/** No process has this tag, until a mutated start uses it. */
const PROCESS = { tag: "fuzz" };

const messages: readonly (readonly [rpc: string, messages: readonly JsonValue[]])[] = [
  ["List", [{ includeEnded: true }]],
  ["List", [{ process: PROCESS, omitConfig: true, pageSize: 2, pageToken: "MTIz" }]],
  ["Start", [{ process: { cmd: "true", args: ["a", "b"], envs: { NAME: "value" }, cwd: "/" }, tag: "fuzz" }]],
  ["Start", [{ process: { cmd: "cat" }, tag: "fuzz", stdin: true, offsets: true, startId: "fuzz" }]],
  ["Start", [{ process: { cmd: "cat" }, pty: { size: { cols: 80, rows: 24 } }, tag: "fuzz" }]],
  [
    "Start",
    [{ process: { cmd: "echo", args: ["x"] }, output: { detached: "DETACHED_RING", replayBytes: "4096" } }],
  ],
  ["Connect", [{ process: PROCESS, fromOffset: "0", lag: "LAG_SKIP" }]],
  ["Connect", [{ process: PROCESS, fromOffset: "7", offsets: true, generation: "g1" }]],
  ["Connect", [{ process: { pid: 4_000_000 } }]],
  ["Update", [{ process: PROCESS, pty: { size: { cols: 100, rows: 40 } } }]],
  ["SendInput", [{ process: PROCESS, input: { stdin: "aGVsbG8=" }, offset: "0", writer: "w" }]],
  ["SendInput", [{ process: PROCESS, input: { pty: "aGVsbG8=" } }]],
  [
    "StreamInput",
    [{ start: { process: PROCESS } }, { data: { input: { stdin: "eA==" } } }, { keepalive: {} }],
  ],
  ["SendSignal", [{ process: PROCESS, signal: "SIGNAL_SIGTERM", scope: "SIGNAL_SCOPE_GROUP" }]],
  ["CloseStdin", [{ process: PROCESS }]],
];

const headers = {
  "keepalive-ping-interval": "1",
  "connect-protocol-version": "1",
  // A stream that stays open ends soon and makes room for the next request on its connection.
  "connect-timeout-ms": "30",
  authorization: `Basic ${btoa("nobody:")}`,
};

const plain: readonly (readonly [method: string, path: string, body?: string])[] = [
  ["GET", "/health"],
  ["GET", "/envs"],
  ["GET", "/metrics"],
  ["GET", "/metrics/prometheus"],
  [
    "POST",
    "/init",
    JSON.stringify({ envVars: { A: "1" }, defaultWorkdir: "/", timestamp: "2026-01-01T00:00:00Z" }),
  ],
  // No lifecycleID: a new one closes all other connections, also those of the checks between
  // batches.
  ["POST", "/init", JSON.stringify({ caBundle: "x", volumeMounts: [{ path: "/x" }] })],
  ["POST", "/filesystem.Filesystem/Stat", '{"path":"/tmp"}'],
  ["GET", "/files?path=/tmp/x&username=nobody"],
  ["OPTIONS", "/process.Process/Start"],
];

const other: readonly (readonly [path: string, body: Buffer])[] = [
  ["/grpc.health.v1.Health/Check", Buffer.alloc(5)],
  ["/filesystem.Filesystem/Stat", Buffer.alloc(5)],
  ["/grpc.health.v1.Health/Watch", Buffer.alloc(5)],
  ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Buffer.from([0, 0, 0, 0, 2, 0x3a, 0])],
];

export interface Http1Request {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** Requests whose body can change while the head stays correct. */
export const http1: readonly Http1Request[] = [
  ...messages.flatMap(([rpc, all]) =>
    protocols
      .filter((protocol) => protocol !== "gRPC")
      .map((protocol) => ({
        path: `/process.Process/${rpc}`,
        headers: { ...headers, "content-type": contentType(protocol, rpc) },
        body: encodeBody(protocol, rpc, all),
      })),
  ),
  ...messages.flatMap(([rpc, all]) => compressed(rpc, all)),
  ...plain.map(([method, path, body]) => ({
    method,
    path,
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  })),
  ...other.map(([path, body]) => ({ path, headers: { "content-type": "application/grpc-web" }, body })),
];

/** The same request in Connect's binary format, with compressed messages. */
function compressed(rpc: string, all: readonly JsonValue[]): Http1Request[] {
  const type = contentType("Connect binary", rpc);
  const isUnary = !type.includes("connect+");
  const body = encodeBody("Connect binary", rpc, all);
  const whole = gzipSync(isUnary ? body : Buffer.alloc(0));
  const enveloped = parseEnvelopes(isUnary ? Buffer.alloc(0) : body).map(({ data, flags }) =>
    envelope(gzipSync(data), flags | COMPRESSED),
  );
  return [
    {
      path: `/process.Process/${rpc}`,
      headers: {
        ...headers,
        "content-type": type,
        [isUnary ? "content-encoding" : "connect-content-encoding"]: "gzip",
      },
      body: isUnary ? whole : Buffer.concat(enveloped),
    },
  ];
}

/** Functions from a stream's number to the frames of one complete request. */
export const http2: readonly ((stream: number) => Buffer)[] = [
  ...messages.flatMap(([rpc, all]) =>
    protocols.map((protocol: Protocol) => {
      const block = postBlock(`/process.Process/${rpc}`, [
        ["content-type", contentType(protocol, rpc)],
        ...Object.entries(headers),
      ]);
      return request(block, encodeBody(protocol, rpc, all));
    }),
  ),
  ...other.map(([path, body]) => request(postBlock(path, [["content-type", "application/grpc"]]), body)),
  ...plain.map(([, path, body = ""]) => request(postBlock(path), Buffer.from(body))),
];

function request(block: Buffer, body: Buffer): (stream: number) => Buffer {
  return (stream) =>
    Buffer.concat([
      frame(frameType.headers, END_HEADERS, stream, block),
      frame(frameType.data, END_STREAM, stream, body),
    ]);
}

/** The same request with its body in two chunks. */
export function chunked({
  method = "POST",
  path,
  headers = {},
  body = Buffer.alloc(0),
}: Http1Request): Buffer {
  const head = [
    `${method} ${path} HTTP/1.1`,
    "Host: localhost",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "Transfer-Encoding: chunked",
  ].join("\r\n");
  const half = Math.floor(body.length / 2);
  const pieces = [body.subarray(0, half), body.subarray(half)].filter(({ length }) => length > 0);
  const chunks = pieces.flatMap((piece) => [
    Buffer.from(`${piece.length.toString(16)}\r\n`),
    piece,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), ...chunks, Buffer.from("0\r\n\r\n")]);
}
