// Replaces answers of the library that are not as DESIGN.md wants them: refusals without a body (405, 415, 505), and errors
// whose code is wrong or whose message is too long. A replaced answer is written by `refuse`, in the format of the
// request's protocol. All other answers are passed on as they are.

import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeFromString, codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import {
  COMPRESSED_FLAG,
  END_STREAM_FLAG,
  HEAD_BYTES,
  type Refusal,
  TRAILER_FLAG,
} from "../../http/index.ts";
import { clipMessage } from "../error-mapping.ts";

interface ReadAnswer {
  /** To be sent instead of the answer. */
  readonly refusal: Refusal | undefined;
  /** To be sent if there is no refusal. */
  readonly answer: UniversalServerResponse;
  /** Of the first piece of its body: all of it, unless the answer is a stream. */
  readonly bytes?: number;
}

/** Reads the first piece of the answer's body; the library has it ready. */
export async function readAnswer(
  answer: UniversalServerResponse,
  handler: UniversalHandler,
  contentType: string,
): Promise<ReadAnswer> {
  const byStatus = statusRefusal(answer.status, handler, contentType);
  if (byStatus !== undefined) return { answer, refusal: byStatus };
  const trailerStatus = answer.trailer?.get("grpc-status");
  if (answer.trailer !== undefined && trailerStatus !== "0" && trailerStatus != null) {
    const refusal = refusalOf(errorOfTrailer(answer.trailer), answer.header);
    if (refusal !== undefined) return { answer, refusal };
  }
  if (answer.body === undefined) return { answer, refusal: undefined };
  const body = answer.body[Symbol.asyncIterator]();
  const first = await body.next();
  if (first.done === true) return { answer: { ...answer, body: nothing() }, refusal: undefined };
  const error = errorOfPiece(first.value, answer.status, answer.header ?? new Headers());
  const refusal = refusalOf(error, answer.header);
  if (refusal !== undefined) await body.return?.();
  if (refusal !== undefined) return { answer, refusal };
  return {
    answer: { ...answer, body: resumed(first.value, body) },
    refusal: undefined,
    bytes: first.value.length,
  };
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // An answer without a body.
}

async function* resumed(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

export interface AnswerError {
  readonly code: Code;
  readonly message: string;
}

/** The library answers these without a body. `unknown` is the code that Connect's clients derive from these statuses. */
function statusRefusal(
  status: number,
  { method, allowedMethods }: UniversalHandler,
  contentType: string,
): Refusal | undefined {
  if (status === 405) {
    const allowed = allowedMethods.join(", ");
    return {
      code: Code.Unknown,
      httpStatus: 405,
      message: `${method.name} is called with ${allowed}`,
      headers: { Allow: allowed },
    };
  }
  if (status === 415) {
    const isUnary = method.methodKind === "unary";
    return {
      // gRPC-web's text form is a protocol that this agent does not implement.
      code: contentType.startsWith("application/grpc") ? Code.Unimplemented : Code.Unknown,
      httpStatus: 415,
      message: isUnary ? unaryTypes(method.name, contentType) : streamTypes(method.name, contentType),
      headers: { "Accept-Post": isUnary ? UNARY_TYPES : STREAM_TYPES },
    };
  }
  if (status === 505)
    return {
      code: Code.Unimplemented,
      httpStatus: 505,
      message: `${method.name} streams in both directions, which needs HTTP/2`,
      headers: { Connection: "close" },
    };
  return undefined;
}

const GRPC_TYPES = "application/grpc, application/grpc-web";
const UNARY_TYPES = `application/json, application/proto, ${GRPC_TYPES}`;
const STREAM_TYPES = `application/connect+json, application/connect+proto, ${GRPC_TYPES}`;

function unaryTypes(rpc: string, contentType: string): string {
  return `Content-Type "${contentType}" is not supported; ${rpc} accepts ${UNARY_TYPES}`;
}

function streamTypes(rpc: string, contentType: string): string {
  return (
    `Content-Type "${contentType}" is not supported; ${rpc} is a stream and accepts ${STREAM_TYPES}. ` +
    "In application/connect+json, each JSON message follows 5 bytes: 0 and its length as a big-endian uint32"
  );
}

function errorOfPiece(piece: Uint8Array, status: number, header: Headers): AnswerError | undefined {
  const type = header.get("Content-Type") ?? "";
  // A unary error of Connect.
  if (status !== 200) return errorOfJson(expanded(piece, header.get("Content-Encoding")));
  if (piece.length < HEAD_BYTES) return undefined;
  const [flags = 0] = piece;
  const isCompressed = (flags & COMPRESSED_FLAG) !== 0;
  const data = () => piece.subarray(HEAD_BYTES);
  if (type.startsWith("application/connect+") && (flags & END_STREAM_FLAG) !== 0) {
    const end = expanded(data(), isCompressed ? header.get("Connect-Content-Encoding") : null);
    return errorOfJson(JSON.stringify(JSON.parse(end).error ?? {}));
  }
  if (type.startsWith("application/grpc-web") && (flags & TRAILER_FLAG) !== 0) {
    const trailer = expanded(data(), isCompressed ? header.get("Grpc-Encoding") : null);
    return errorOfTrailer(new Headers(trailer.split("\r\n").flatMap(headerOfLine)));
  }
  return undefined;
}

function headerOfLine(line: string): [string, string][] {
  const colon = line.indexOf(":");
  return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
}

/** The library compresses errors also. They are short. */
function expanded(data: Uint8Array, encoding: string | null): string {
  if (encoding === "gzip") return gunzipSync(data).toString();
  if (encoding === "br") return brotliDecompressSync(data).toString();
  return Buffer.from(data).toString();
}

function errorOfJson(text: string): AnswerError | undefined {
  const { code, message = "" } = JSON.parse(text) as { code?: string; message?: string };
  return code === undefined ? undefined : { code: codeFromString(code) ?? Code.Unknown, message };
}

function errorOfTrailer(trailer: Headers): AnswerError | undefined {
  const code = Number(trailer.get("grpc-status") ?? 0);
  if (code === 0) return undefined;
  return { code, message: decodeURIComponent(trailer.get("grpc-message") ?? "") };
}

/** Headers that `refuse` sets itself, or that describe a body that is not sent. */
const replacedHeaders = new Set([
  "content-type",
  "content-length",
  "content-encoding",
  "connect-content-encoding",
  "grpc-encoding",
  "grpc-status",
  "grpc-message",
]);

function refusalOf(error: AnswerError | undefined, header = new Headers()): Refusal | undefined {
  return error && replacementOf(error, Object.fromEntries(header));
}

/** Undefined if the library's answer is good. `header` is what it sends, with names in lower case. */
export function replacementOf(
  error: AnswerError,
  header: Readonly<Record<string, string>>,
): Refusal | undefined {
  const { code, message: inFull } = inOurWords(error);
  const message = clipMessage(inFull);
  if (code === error.code && message === error.message) return undefined;
  const headers = Object.fromEntries(Object.entries(header).filter(([name]) => !replacedHeaders.has(name)));
  return { code, httpStatus: codeToHttpStatus(code), message, headers };
}

/** The library calls a message that it cannot decode an internal error. */
function inOurWords({ code, message }: AnswerError): AnswerError {
  if (code === Code.Internal && message.startsWith(UNDECODABLE))
    return {
      code: Code.InvalidArgument,
      message: `the message is not valid protobuf: ${message.slice(UNDECODABLE.length)}`,
    };
  return { code, message };
}

const UNDECODABLE = "parse binary: ";
