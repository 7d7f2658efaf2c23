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

/** `waiting` as a client sends them; undefined if one has a body, which may be incomplete. */
export function bytesOf(waiting: readonly NodeRequest[]): Buffer | undefined {
  if (waiting.some(hasBody)) return undefined;
  return Buffer.from(waiting.map(headOf).join(""), "latin1");
}

export function hasBody({ headers }: NodeRequest): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

function headOf({ method, url, httpVersion, rawHeaders }: NodeRequest): string {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2)
    text += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
  return `${text}\r\n`;
}
