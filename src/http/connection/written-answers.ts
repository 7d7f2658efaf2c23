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

/** What is asked of an answer. */
interface Answer {
  readonly writableEnded: boolean;
  readonly writableLength: number;
  readonly req: { readonly complete: boolean };
}

/** An answer that was sent, to a request that has arrived completely. The request itself, with its headers, is not kept. */
const SENT: Answer = { writableEnded: true, writableLength: 0, req: { complete: true } };

/** The answer that owns a connection, or owned it last. */
const answers = new WeakMap<Socket, Answer>();
/** Connections with the end of an answer that another image of the agent began. */
const continued = new WeakMap<Socket, EarlyBytes>();

/** `listener` gets requests when their response owns the connection. */
export function followAnswers(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (!("stream" in response)) follow(request.socket, response);
    listener(request, response);
  };
}

function follow(socket: Socket, response: ServerResponse): void {
  answers.set(socket, response);
  response.once("close", () => {
    const isSent = response.writableEnded && response.writableLength === 0 && response.req.complete;
    if (isSent && answers.get(socket) === response) answers.set(socket, SENT);
  });
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
  const answer = answers.get(socket);
  if (early === undefined && !isWritten(answer, socket)) return undefined;
  const unsent = unsentOn(socket);
  if (unsent === undefined) return undefined;
  // The rest of a request that was answered early is read and discarded.
  const isLast = hasLastAnswer(socket) || (early === undefined && answer?.req.complete === false);
  return { unsent, isLast, early };
}

/** All of it is in the connection's own buffer, or further. */
function isWritten(answer: Answer | undefined, socket: Socket): boolean {
  return answer?.writableEnded === true && answer.writableLength <= socket.writableLength;
}
