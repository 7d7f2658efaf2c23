// One HTTP request and its response, over HTTP/1.1 or HTTP/2: the types and the small questions that
// all listeners share.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;
export type RequestListener = (request: NodeRequest, response: NodeResponse) => void;

/**
 * The path in the request's target. The target is `/path?query`; in HTTP/1.1 it can also be
 * `http://host/path?query`.
 */
export function pathOf(request: NodeRequest): string {
  const target = request.url?.split("?", 1)[0] ?? "";
  return target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/]*/i, "");
}

/** The text of all headers, and of the target. */
export function headerBytesOf({ rawHeaders, url = "" }: NodeRequest): number {
  return rawHeaders.reduce((sum, text) => sum + text.length, url.length);
}

/** The part of `Headers` that is used here. */
export interface HeaderReader {
  get(name: string): string | null;
}

/** Reads the headers of a request. Node joins the values of a repeated header, except Set-Cookie. */
export function headerReader({ headers }: NodeRequest): HeaderReader {
  return {
    get: (name) => {
      const value = headers[name.toLowerCase()];
      return typeof value === "string" ? value : null;
    },
  };
}

/** Node's codes for a connection that broke, or a stream that was reset, during an exchange. */
const goneClientCodes = new Set([
  "ABORT_ERR",
  "ECONNRESET",
  "EPIPE",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_INVALID_STREAM",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_CANCEL",
  "ERR_HTTP2_STREAM_ERROR",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_WRITE_AFTER_END",
]);

export function isGoneClient(error: unknown): boolean {
  return error instanceof Error && "code" in error && goneClientCodes.has(String(error.code));
}
