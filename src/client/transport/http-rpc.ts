// The calls over plain HTTP requests, in the Connect protocol with binary messages
// (https://connectrpc.com/docs/protocol). A command of Node spends 40 ms less than with the libraries for all protocols.

import { filesystemMethods, type Method, processMethods } from "../../gen/tables.ts";
import { messageOf } from "../../text.ts";
import { ClientError } from "../client-errors.ts";
import { AnswerError } from "./answer-error.ts";
import { answeredError, EndOfStream, statusError } from "./connect-errors.ts";
import { readAll, readEnvelopes, writeEnvelope } from "./envelopes.ts";
import type { HttpAnswer, HttpClient } from "./http-client.ts";
import { decodeMessage, encodeMessage, type Init, type MessageName } from "./message-codec.ts";
import type { Rpc, RpcOptions } from "./rpc.ts";

export function rpcOverHttp(http: HttpClient): Rpc {
  const calls = {
    ...callsOf(http, "process.Process", processMethods),
    filesystem: callsOf(http, "filesystem.Filesystem", filesystemMethods),
  };
  return calls as unknown as Rpc;
}

function callsOf(http: HttpClient, service: string, methods: Readonly<Record<string, Method>>) {
  return Object.fromEntries(
    Object.entries(methods).map(([name, method]) => [name, callOf(http, `/${service}/${method[0]}`, method)]),
  );
}

function callOf(http: HttpClient, path: string, method: Method) {
  const [, , , isStream] = method;
  return (message: Init<MessageName>, options: Partial<RpcOptions> = {}) => {
    const call = { http, path, method, message, options };
    return isStream ? stream(call) : unary(call);
  };
}

interface Call {
  readonly http: HttpClient;
  readonly path: string;
  readonly method: Method;
  readonly message: Init<MessageName>;
  readonly options: Partial<RpcOptions>;
}

async function unary({ http, path, method, message, options }: Call): Promise<unknown> {
  const [, requestName, responseName] = method;
  const answer = await http.send({
    ...{ method: "POST", path, body: encoded(requestName, message), signal: options.signal ?? never },
    headers: {
      ...{ ...options.headers, ...PROTOCOL, "Content-Type": UNARY },
      ...(http.gunzip === undefined ? {} : { "Accept-Encoding": "gzip" }),
    },
  });
  const body = await readAll(answer.body);
  const { gunzip } = http;
  const bytes = gunzip === undefined ? body : await decoded(whole(body, answer), answer, gunzip);
  if (answer.status !== 200) throw answeredError(bytes, answer);
  refuseOtherType(answer, UNARY);
  return decodeMessage(responseName, bytes);
}

async function* stream({ http, path, method, message, options }: Call): AsyncGenerator {
  const [, requestName, responseName] = method;
  const body = writeEnvelope(encoded(requestName, message));
  const answer = await http.send({
    ...{ method: "POST", path, body, signal: options.signal ?? never },
    headers: { ...options.headers, ...PROTOCOL, "Content-Type": STREAM },
  });
  if (answer.status !== 200) throw statusError(answer);
  refuseOtherType(answer, STREAM);
  let end: EndOfStream | undefined;
  for await (const { isEnd, isCompressed, data } of readEnvelopes(answer.body)) {
    if (end !== undefined) throw new Error("the stream continued after its end");
    if (isCompressed) throw new Error("the stream is compressed, although the client did not ask for that");
    if (!isEnd) yield decodeMessage(responseName, data);
    else {
      end = new EndOfStream(data, answer);
      // Not after the end of the connection: a proxy may keep it open.
      if (end.error !== undefined) throw end.error;
    }
  }
  if (end === undefined) throw new Error("the stream ended without its last message");
}

/** A message that cannot be encoded was not sent: the call did not fail with its connection. */
function encoded(name: MessageName, message: Init<MessageName>): Uint8Array {
  try {
    return encodeMessage(name, message);
  } catch (cause) {
    throw new ClientError("invalid_argument", messageOf(cause), { cause });
  }
}

/** For calls that nothing ends early. */
const never = new AbortController().signal;

const UNARY = "application/proto";
const STREAM = "application/connect+proto";
const PROTOCOL = { "Connect-Protocol-Version": "1" };

function refuseOtherType(answer: HttpAnswer, expected: string): void {
  const type = answer.header("Content-Type") ?? "";
  if (type.split(";", 1)[0]?.trim().toLowerCase() === expected) return;
  throw new AnswerError("unknown", `unsupported content type ${type}`, metadataOf(answer));
}

/**
 * A body over HTTP/2 ends without an error when its connection is lost. The beginning of a message is often a message, the
 * empty one always.
 */
function whole(body: Uint8Array, answer: HttpAnswer): Uint8Array {
  const length = answer.header("Content-Length");
  if (length === undefined || Number(length) === body.length) return body;
  throw new Error(`the answer ended after ${body.length} of ${length} bytes`);
}

async function decoded(
  bytes: Uint8Array,
  answer: HttpAnswer,
  gunzip: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const encoding = answer.header("Content-Encoding") ?? "identity";
  if (encoding === "identity") return bytes;
  if (encoding === "gzip") return gunzip(bytes);
  throw new AnswerError("internal", `unsupported response encoding "${encoding}"`, metadataOf(answer));
}

function metadataOf(answer: HttpAnswer) {
  return { metadata: { get: (name: string) => answer.header(name) ?? null } };
}
