// What a client of HTTP/1.1 has sent behind the request that is being answered. Node has parsed it already, so it is
// lost with this image of the agent, unless it is written as bytes again (src/handover).

import type { Socket } from "node:net";
import type { NodeRequest } from "../exchange.ts";

/** Connections on which the beginning of a request has arrived, and not the end of its head. */
const begun = new WeakSet<Socket>();

/** HTTPParser.kOnMessageBegin. Node itself does not use it. */
const ON_MESSAGE_BEGIN = 0;

/**
 * Follows the heads of requests. The number of bytes that were read does not show them: the packet with the end of one
 * request can also have the beginning of the next one. Call it for each connection that Node's server has been passed.
 */
export function watchHeads(socket: Socket): void {
  const parser: unknown = Reflect.get(socket, "parser");
  if (typeof parser === "object" && parser !== null) Reflect.set(parser, ON_MESSAGE_BEGIN, onMessageBegin);
}

/** Node keeps parsers for other connections: nothing here holds this one. */
function onMessageBegin(this: { readonly socket?: Socket | null }): void {
  if (this.socket) begun.add(this.socket);
}

/** The head of a request is complete. */
export function headArrived(socket: Socket): void {
  begun.delete(socket);
}

export function hasHalfHead(socket: Socket): boolean {
  return begun.has(socket);
}

/** `waiting` as a client sends them, the last one as far as it has arrived; undefined if that cannot be known. */
export function bytesOf(waiting: readonly NodeRequest[]): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const request of waiting) {
    const body = hasBody(request) ? bodyOf(request) : Buffer.alloc(0);
    if (body === undefined) return undefined;
    parts.push(Buffer.from(headOf(request), "latin1"), body);
  }
  return Buffer.concat(parts);
}

export function hasBody({ headers }: NodeRequest): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** Nobody has read it before the turn of its request. Of a body in chunks, Node does not keep where its next chunk ends. */
function bodyOf(request: NodeRequest): Buffer | undefined {
  const body = bufferedBytes(request);
  if (body === undefined || request.headers["transfer-encoding"] === undefined) return body;
  if (!request.complete) return undefined;
  const size = body.length === 0 ? "" : `${body.length.toString(16)}\r\n`;
  const end = `${body.length === 0 ? "" : "\r\n"}0\r\n${linesOf(request.rawTrailers)}\r\n`;
  return Buffer.concat([Buffer.from(size), body, Buffer.from(end, "latin1")]);
}

interface ReadableState {
  readonly buffer?: Iterable<Buffer>;
  /** Absent in older versions of Node, which remove the buffers that were read. */
  readonly bufferIndex?: number;
}

/** Without reading them: that would make Node read on. */
function bufferedBytes(request: NodeRequest): Buffer | undefined {
  const { buffer = [], bufferIndex = 0 } = Reflect.get(request, "_readableState") as ReadableState;
  const bytes = Buffer.concat([...buffer].slice(bufferIndex));
  return bytes.length === request.readableLength ? bytes : undefined;
}

function headOf({ method, url, httpVersion, rawHeaders }: NodeRequest): string {
  return `${method} ${url} HTTP/${httpVersion}\r\n${linesOf(rawHeaders)}\r\n`;
}

/** Names and values in turn. */
function linesOf(raw: readonly string[]): string {
  let text = "";
  for (let index = 0; index < raw.length; index += 2) text += `${raw[index]}: ${raw[index + 1]}\r\n`;
  return text;
}

/** More of requests that come before their turn is not read. */
const MAX_EARLY_BYTES = 64 * 1024;

export interface EarlyBytes {
  /** All of them so far. */
  readonly bytes: Buffer;
  /** For the server that reads the next request. */
  putBack(): void;
}

/**
 * Reads a connection whose present answer another image of the agent began, so that its end is noticed. What arrives,
 * after `before`, belongs to the next request.
 */
export function keepEarly(socket: Socket, before: Buffer = Buffer.alloc(0)): EarlyBytes {
  let early: Buffer[] = [before];
  let bytes = before.length;
  const onData = (data: Buffer) => {
    early.push(data);
    bytes += data.length;
    if (bytes > MAX_EARLY_BYTES) socket.pause();
  };
  socket.on("data", onData);
  return {
    get bytes() {
      return Buffer.concat(early);
    },
    putBack: () => {
      socket.off("data", onData).pause();
      if (bytes > 0 && !socket.destroyed) socket.unshift(Buffer.concat(early));
      early = [];
    },
  };
}
