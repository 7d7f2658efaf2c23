// The answer to a request that is refused before anything of its body is read, in the format of the
// protocol that its headers name.

import type { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { END_STREAM_FLAG, enveloped, TRAILER_FLAG } from "../envelope.ts";
import { type NodeRequest, type NodeResponse, pathOf } from "../exchange.ts";

export interface Refusal {
  readonly code: Code;
  /** Sent unless the protocol always answers 200: gRPC, gRPC-web, and streams of Connect. */
  readonly httpStatus: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = { "Content-Type": "application/json" };

/** The response must not have begun. */
export function refuse(request: NodeRequest, response: NodeResponse, refusal: Refusal): void {
  response.on("error", () => {
    // The client left before it read the answer.
  });
  const { status, headers, body } = formatFor(request, refusal);
  response.statusCode = status;
  for (const [name, value] of Object.entries({ ...refusal.headers, ...headers }))
    response.setHeader(name, value);
  // Without a body the headers end the stream: gRPC clients accept a status only from such headers.
  if (body === "") response.end();
  else response.end(body);
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

/** Both formats of JSON differ in their `code`: a name for RPCs, the status for HTTP endpoints. */
function formatFor(request: NodeRequest, { code, httpStatus, message }: Refusal): Answer {
  const [named = ""] = (request.headers["content-type"] ?? "").toLowerCase().split(";");
  // A request with another method than POST speaks none of the protocols, with any content type.
  const type = request.method === "POST" ? named : "";
  // A gRPC client reads the status. It would take JSON for the error of Connect, which HEAD has no body for.
  if (type === "" && named.startsWith("application/grpc"))
    return { status: httpStatus, headers: { "Content-Type": "text/plain" }, body: `${message}\n` };
  const grpcMessage = encodeGrpcMessage(message);
  if (type.startsWith("application/grpc-web")) {
    const trailer = `grpc-status: ${code}\r\ngrpc-message: ${grpcMessage}\r\n`;
    const body = enveloped(TRAILER_FLAG, Buffer.from(trailer));
    // The text form is not served, but its clients must be able to read that.
    const isText = type.startsWith("application/grpc-web-text");
    return {
      status: 200,
      headers: { "Content-Type": type },
      body: isText ? body.toString("base64") : body,
    };
  }
  if (type.startsWith("application/grpc")) {
    // "Trailers-Only" of the gRPC protocol: an answer without messages puts the trailers in the headers.
    const headers = { "Content-Type": type, "grpc-status": String(code), "grpc-message": grpcMessage };
    return { status: 200, headers, body: "" };
  }
  const error = { code: codeToString(code), message };
  const isConnectStream = type.startsWith("application/connect+");
  // A type that the RPC does not accept is not the format of its answer.
  if (isConnectStream && httpStatus !== 415) {
    const body = enveloped(END_STREAM_FLAG, Buffer.from(JSON.stringify({ error })));
    return { status: 200, headers: { "Content-Type": type }, body };
  }
  const isJson = isConnectStream || type === "application/json" || type === "application/proto";
  // No protocol has this type: its client reads text, if it reads the body at all.
  if (isRpcPath(pathOf(request)) && type !== "" && !isJson)
    return { status: httpStatus, headers: { "Content-Type": "text/plain" }, body: `${message}\n` };
  if (isRpcPath(pathOf(request))) {
    return { status: httpStatus, headers: JSON_TYPE, body: JSON.stringify(error) };
  }
  // The form of envd's HTTP endpoints.
  return {
    status: httpStatus,
    headers: JSON_TYPE,
    body: `${JSON.stringify({ code: httpStatus, message })}\n`,
  };
}

/** `/package.Service/Method`, as all RPC protocols write it. */
function isRpcPath(path: string): boolean {
  return /^\/[\w.]*\.\w+\/\w+$/.test(path);
}

/**
 * Percent-encodes only the characters that gRPC requires. Encoding more is also valid, but @grpc/grpc-js
 * does not decode it: its users would read `cwd %22%2Ftmp%22`.
 */
export function encodeGrpcMessage(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent);
}
