// Answers a request that is turned away before anything of it is read: in the words of the protocol its headers speak.

import type { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { closeIfUnread } from "../connection/unread-request.ts";
import type { NodeRequest, NodeResponse } from "../exchange.ts";
import { encodeGrpcMessage } from "./grpc-message.ts";

export interface Refusal {
  readonly code: Code;
  /** For what is no RPC, and for unary RPCs of Connect. */
  readonly httpStatus: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const END_STREAM_FLAG = 0x02;
const TRAILER_FLAG = 0x80;

/** The response must not have begun. */
export function refuse(request: NodeRequest, response: NodeResponse, refusal: Refusal): void {
  response.on("error", () => {
    // The client did not wait for it.
  });
  closeIfUnread(request, response);
  const { status, headers, body } = inWordsOf(request.headers["content-type"] ?? "", refusal);
  response.statusCode = status;
  for (const [name, value] of Object.entries({ ...refusal.headers, ...headers }))
    response.setHeader(name, value);
  // In one with the headers where there is no body: gRPC's clients take a status only from what ends the stream.
  if (body === "") response.end();
  else response.end(body);
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

function inWordsOf(contentType: string, { code, httpStatus, message }: Refusal): Answer {
  const [type = ""] = contentType.toLowerCase().split(";");
  const grpcMessage = encodeGrpcMessage(message);
  if (type.startsWith("application/grpc-web")) {
    const trailer = `grpc-status: ${code}\r\ngrpc-message: ${grpcMessage}\r\n`;
    return { status: 200, headers: { "Content-Type": type }, body: envelope(TRAILER_FLAG, trailer) };
  }
  if (type.startsWith("application/grpc")) {
    // Trailers only: they are the headers, as the protocol has it for an answer without messages.
    const headers = { "Content-Type": type, "grpc-status": String(code), "grpc-message": grpcMessage };
    return { status: 200, headers, body: "" };
  }
  const error = { code: codeToString(code), message };
  if (type.startsWith("application/connect+")) {
    const body = envelope(END_STREAM_FLAG, JSON.stringify({ error }));
    return { status: 200, headers: { "Content-Type": type }, body };
  }
  if (type === "application/json" || type === "application/proto") {
    const headers = { "Content-Type": "application/json" };
    return { status: httpStatus, headers, body: JSON.stringify(error) };
  }
  return { status: httpStatus, headers: { "Content-Type": "text/plain" }, body: `${message}\n` };
}

function envelope(flags: number, text: string): Buffer {
  const data = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
}
