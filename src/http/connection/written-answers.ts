// Answers of HTTP/1.1 that are written completely, of which the connection has not accepted everything. The next image of the
// agent writes the rest (src/handover); nothing else of the answer is left to do.

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { RequestListener } from "../exchange.ts";
import { hasLastAnswer } from "./early-answer.ts";
import type { EarlyBytes } from "./sent-ahead.ts";
import { unsentOn } from "./unsent-bytes.ts";

export interface WrittenAnswer {
  readonly unsent: Buffer;
  /** The connection ends with it. */
  readonly isLast: boolean;
  /** Of an answer that another image of the agent began: what the client has sent since. */
  readonly early: EarlyBytes | undefined;
}

/** The response that owns a connection, or owned it last. */
const responses = new WeakMap<Socket, ServerResponse>();
/** Connections with the end of an answer that another image of the agent began. */
const continued = new WeakMap<Socket, EarlyBytes>();

/** `listener` gets requests when their response owns the connection. */
export function followAnswers(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (!("stream" in response)) responses.set(request.socket, response);
    listener(request, response);
  };
}

/** The answer that another image began is written. */
export function markWritten(socket: Socket, early: EarlyBytes): void {
  continued.set(socket, early);
}

/** The connection is free for its next request. */
export function unmarkWritten(socket: Socket): void {
  continued.delete(socket);
}

/** Undefined if the answer on the connection is not written completely, or cannot be carried. */
export function writtenAnswer(socket: Socket): WrittenAnswer | undefined {
  const early = continued.get(socket);
  const response = responses.get(socket);
  if (early === undefined && !isWritten(response, socket)) return undefined;
  const unsent = unsentOn(socket);
  if (unsent === undefined) return undefined;
  // The rest of a request that was answered early is read and discarded.
  const isLast = hasLastAnswer(socket) || (early === undefined && response?.req.complete === false);
  return { unsent, isLast, early };
}

/** All of it is in the connection's own buffer, or further. */
function isWritten(response: ServerResponse | undefined, socket: Socket): boolean {
  return response?.writableEnded === true && response.writableLength <= socket.writableLength;
}
