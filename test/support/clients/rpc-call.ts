// One RPC over any of the protocols, with any bytes as its body, and an answer that can be
// compared. There is no client library in between, so requests that no library sends can be sent.

import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { type DescMessage, fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { Process } from "../../../src/gen/process_pb.ts";
import { envelope, parseEnvelopes } from "./envelopes.ts";
import { type RawResponse, rawCall } from "./raw-http.ts";

export const protocols = ["Connect JSON", "Connect binary", "gRPC", "gRPC-web"] as const;
export type Protocol = (typeof protocols)[number];

/** As in the path. */
export type RpcName = (typeof Process.methods)[number]["name"];

export interface Answer {
  /**
   * `ok`, a code as Connect spells it, or `HTTP 415` if the answer is not in the protocol's format.
   */
  readonly code: string;
  readonly message: string;
  /** The received messages, encoded. */
  readonly messages: readonly Buffer[];
  /** The HTTP status and headers, and for gRPC also the trailers. */
  readonly http: HttpPart;
}

export interface HttpPart {
  readonly status: number;
  /** Undefined for an absent header. `name` in lower case. */
  header(name: string): string | undefined;
}

export interface RpcCall {
  readonly rpc: string;
  readonly body: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Default: the RPC of process.Process. */
  readonly path?: string;
}

const DEADLINE_MS = 10_000;

/** Rejects when there is no answer in 10 s, or one that cannot be parsed. */
export async function callRpc(port: number, protocol: Protocol, call: RpcCall): Promise<Answer> {
  const path = call.path ?? `/process.Process/${call.rpc}`;
  const headers = { "content-type": contentType(protocol, call.rpc), ...call.headers };
  if (protocol === "gRPC") return grpcAnswer(await http2Call(port, path, headers, call.body));
  const response = await rawCall(port, { path, headers, body: call.body });
  if (protocol === "gRPC-web") return grpcWebAnswer(response);
  return isStreaming(call.rpc) ? connectStreamAnswer(response) : connectUnaryAnswer(response);
}

/** The answers over every protocol, or over `among`, asked at the same time. */
export async function callOverEvery(
  port: number,
  call: (protocol: Protocol) => RpcCall,
  among: readonly Protocol[] = protocols,
): Promise<Record<string, Pick<Answer, "code" | "message">>> {
  const asked = among.map(async (protocol) => {
    const { code, message } = await callRpc(port, protocol, call(protocol));
    return [protocol, { code, message }] as const;
  });
  return Object.fromEntries(await Promise.all(asked));
}

/** The expected value for callOverEvery: the same answer from all. */
export function overEvery<T>(answer: T, among: readonly Protocol[] = protocols): Record<string, T> {
  return Object.fromEntries(among.map((protocol) => [protocol, answer]));
}

/** `messages` in the protocol's codec and, if the protocol has them, envelopes. */
export function encodeBody(protocol: Protocol, rpc: string, messages: readonly JsonValue[]): Buffer {
  const encoded = messages.map((message) =>
    protocol === "Connect JSON"
      ? Buffer.from(JSON.stringify(message))
      : toBinary(input(rpc), fromJson(input(rpc), message)),
  );
  return Buffer.concat(isEnveloped(protocol, rpc) ? encoded.map((message) => envelope(message)) : encoded);
}

export function isEnveloped(protocol: Protocol, rpc: string): boolean {
  return protocol.startsWith("gRPC") || isStreaming(rpc);
}

export function contentType(protocol: Protocol, rpc: string): string {
  if (protocol === "gRPC") return "application/grpc";
  if (protocol === "gRPC-web") return "application/grpc-web+proto";
  const codec = protocol === "Connect JSON" ? "json" : "proto";
  return isStreaming(rpc) ? `application/connect+${codec}` : `application/${codec}`;
}

function isStreaming(rpc: string): boolean {
  return ["Start", "Connect", "StreamInput"].includes(rpc);
}

function input(rpc: string): DescMessage {
  const method = Process.methods.find(({ name }) => name === rpc);
  if (method === undefined) throw new Error(`no rpc ${rpc}`);
  return method.input;
}

function connectUnaryAnswer(response: RawResponse): Answer {
  const { status, headers, body } = response;
  const http = httpPart(response);
  if (status === 200) return { code: "ok", message: "", messages: [body], http };
  if (headers.get("content-type") !== "application/json") return httpAnswer(http, body);
  return { ...readError(JSON.parse(body.toString())), messages: [], http };
}

function connectStreamAnswer(response: RawResponse): Answer {
  const { status, body } = response;
  const http = httpPart(response);
  if (status !== 200) return httpAnswer(http, body);
  const envelopes = parseEnvelopes(body);
  const end = envelopes.pop();
  if (end?.flags !== 2) throw new Error(`a stream without an end: ${body.toString("latin1")}`);
  const { error } = JSON.parse(end.data.toString()) as { error?: unknown };
  return { ...readError(error), messages: envelopes.map(({ data }) => data), http };
}

function readError(error: unknown): Pick<Answer, "code" | "message"> {
  if (error === undefined) return { code: "ok", message: "" };
  const { code, message = "" } = error as { code: string; message?: string };
  return { code, message };
}

function grpcWebAnswer(response: RawResponse): Answer {
  const { status, headers, body } = response;
  const http = httpPart(response);
  if (status !== 200) return httpAnswer(http, body);
  const envelopes = parseEnvelopes(body);
  const trailer = envelopes.at(-1);
  if (trailer?.flags !== 0x80) return { ...readStatus((name) => headers.get(name)), messages: [], http };
  const fields = new Map(
    trailer.data
      .toString()
      .split("\r\n")
      .map((line) => {
        const [name = "", ...value] = line.split(":");
        return [name.toLowerCase(), value.join(":").trim()];
      }),
  );
  return {
    ...readStatus((name) => fields.get(name)),
    messages: envelopes.slice(0, -1).map(({ data }) => data),
    http,
  };
}

interface Http2Response {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function grpcAnswer({ headers, trailers, body }: Http2Response): Answer {
  const field = (name: string) => {
    const value = trailers[name] ?? headers[name];
    return value === undefined ? undefined : String(value);
  };
  const http = { status: Number(headers[":status"]), header: field };
  if (http.status !== 200) return httpAnswer(http, body);
  return { ...readStatus(field), messages: parseEnvelopes(body).map(({ data }) => data), http };
}

function readStatus(field: (name: string) => string | undefined): Pick<Answer, "code" | "message"> {
  const status = field("grpc-status");
  if (status === undefined || status === "") throw new Error("no grpc-status");
  const message = decodeURIComponent(field("grpc-message") ?? "");
  if (status === "0") return { code: "ok", message };
  const name = Code[Number(status)] ?? `status ${status}`;
  return { code: name.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase(), message };
}

function httpAnswer(http: HttpPart, body: Buffer): Answer {
  return { code: `HTTP ${http.status}`, message: body.toString(), messages: [], http };
}

function httpPart({ status, headers }: RawResponse): HttpPart {
  return { status, header: (name) => headers.get(name) };
}

function http2Call(
  port: number,
  path: string,
  headers: Readonly<Record<string, string | undefined>>,
  body: Uint8Array | string,
): Promise<Http2Response> {
  return new Promise((resolve, reject) => {
    // In MB. By default the session refuses a stream of its own with more than 10.
    const session = connectHttp2(`http://127.0.0.1:${port}`, { maxSessionMemory: 100 });
    const timer = setTimeout(
      () => session.destroy(new Error(`no answer within ${DEADLINE_MS} ms`)),
      DEADLINE_MS,
    );
    session.on("error", reject).on("close", () => clearTimeout(timer));
    const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
    const chunks: Buffer[] = [];
    const response: { headers: IncomingHttpHeaders; trailers: IncomingHttpHeaders } = {
      headers: {},
      trailers: {},
    };
    stream
      .on("response", (received) => {
        response.headers = received;
      })
      .on("trailers", (received) => {
        response.trailers = received;
      })
      .on("data", (chunk: Buffer) => chunks.push(chunk))
      .on("error", reject)
      // "close" would wait until the agent has read the whole request, which it need not do.
      .on("end", () => {
        resolve({ ...response, body: Buffer.concat(chunks) });
        session.destroy();
      });
    stream.end(body);
  });
}
