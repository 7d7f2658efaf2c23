// HTTP requests with Node, over HTTP/1.1 or over the connection of http2-session.ts.

import { request as httpRequest, type RequestOptions } from "node:http";
import { constants, type IncomingHttpHeaders } from "node:http2";
import { request as httpsRequest } from "node:https";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { onAbort } from "../abort.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../transport/http-client.ts";
import { assertHeaders } from "../transport/sendable.ts";
import type { Http2Session } from "./http2-session.ts";

export function http1Client(baseUrl: string, options: RequestOptions): HttpClient {
  const start = baseUrl.startsWith("https:") ? httpsRequest : httpRequest;
  return {
    readsTrailers: true,
    gunzip,
    send: ({ method, path, headers, body, signal }) =>
      new Promise<HttpAnswer>((resolve, reject) => {
        assertHeaders(headers);
        const request = start(baseUrl + path, { ...options, method, headers: { ...headers } });
        const unfollow = onAbort(signal, () => request.destroy());
        request.on("error", reject);
        request.once("close", () => {
          unfollow();
          reject(new Error("the connection was closed before its answer"));
        });
        request.once("response", (response) => {
          response.on("error", () => {
            // The iteration over the body reports it. Without an iteration, no caller needs it.
          });
          // The answer came before the end of the body: the rest of the body is not wanted.
          response.once("end", () => {
            if (!request.writableEnded) request.destroy();
          });
          resolve({
            status: response.statusCode ?? 0,
            header: headerReader(response.headers),
            body: response,
            trailer: (name) => response.trailers[name.toLowerCase()],
          });
        });
        sendBody(request, body);
      }),
  };
}

export function http2Client(baseUrl: string, session: Http2Session): HttpClient {
  const { pathname } = new URL(baseUrl);
  const prefix = pathname === "/" ? "" : pathname;
  return { readsTrailers: true, gunzip, send: (request) => sendOverHttp2(session, prefix, request) };
}

/** Loaded when it is needed: most answers are not compressed. */
const gunzip = async (bytes: Uint8Array) => (await import("./node-gunzip.ts")).gunzip(bytes);

async function sendOverHttp2(
  session: Http2Session,
  prefix: string,
  { method, path, headers, body, signal }: HttpRequest,
): Promise<HttpAnswer> {
  assertHeaders(headers);
  const stream = await session.request(method, prefix + path, { ...headers });
  return new Promise<HttpAnswer>((resolve, reject) => {
    const unfollow = onAbort(signal, () => stream.close(constants.NGHTTP2_CANCEL));
    let trailers: IncomingHttpHeaders = {};
    // After the answer, the iteration over the body reports errors.
    stream.on("error", reject);
    stream.once("close", () => {
      unfollow();
      reject(new Error("the stream was closed before its answer"));
    });
    stream.once("trailers", (received) => {
      trailers = received;
    });
    stream.once("response", (received) =>
      resolve({
        status: received[":status"] ?? 0,
        header: headerReader(received),
        body: stream,
        trailer: (name) => headerReader(trailers)(name),
      }),
    );
    sendBody(stream, body);
  });
}

function sendBody(request: Writable, body: HttpRequest["body"]): void {
  if (body === undefined || body instanceof Uint8Array) return void request.end(body);
  pipeline(body, request).catch(() => {
    // The request reports the same error, and an answer that came before the end is not an error.
  });
}

function headerReader(headers: IncomingHttpHeaders): (name: string) => string | undefined {
  return (name) => {
    const value = headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(", ") : value;
  };
}
