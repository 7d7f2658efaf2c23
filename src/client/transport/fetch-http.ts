// HTTP requests with fetch, for browsers and other runtimes without Node.

import { parseAgentAddress } from "../agent-address.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "./http-client.ts";
import { assertHeaders } from "./sendable.ts";
import { streamPieces } from "./stream-pieces.ts";

/** Throws a TypeError that names `option` for anything other than an http: or https: address. */
export function fetchHttp(address: string, option = "filesUrl"): HttpClient {
  const parsed = parseAgentAddress(address);
  if (parsed === undefined || parsed.socketPath !== undefined)
    throw new TypeError(`${option} is "${address}", must be like https://sandbox.example.com`);
  return { readsTrailers: false, send: (request) => send(parsed.baseUrl, request) };
}

async function send(baseUrl: string, request: HttpRequest): Promise<HttpAnswer> {
  const { method, path, headers, body, signal } = request;
  assertHeaders(headers);
  const response = await fetch(baseUrl + path, {
    method,
    headers,
    signal,
    // Most browsers cannot send a stream.
    ...(body === undefined ? {} : { body: await collected(body) }),
  });
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    body: streamPieces(response.body),
    trailer: () => undefined,
  };
}

/** A Blob may be larger than the memory of the page. */
async function collected(body: AsyncIterable<Uint8Array> | Uint8Array): Promise<Blob> {
  if (body instanceof Uint8Array) return new Blob([new Uint8Array(body)]);
  let blob = new Blob([]);
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let waitingBytes = 0;
  for await (const piece of body) {
    waiting.push(new Uint8Array(piece));
    waitingBytes += piece.length;
    if (waitingBytes < BLOB_PIECE_BYTES) continue;
    blob = new Blob([blob, ...waiting]);
    waiting = [];
    waitingBytes = 0;
  }
  return new Blob([blob, ...waiting]);
}

const BLOB_PIECE_BYTES = 8 * 1024 * 1024;
