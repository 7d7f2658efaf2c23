// HTTP/1.1 on connections that are passed to it.

import { createServer, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { headerBytesOf, type NodeRequest, type RequestListener } from "../exchange.ts";
import type { HttpLimits } from "../limits.ts";
import { CountedRequest, inOrder, responseClass, setLastAnswer, watchPieces } from "./early-answer.ts";
import { answerParseErrors, LATE_HEADERS, refuseExpectation, withHost } from "./http1-errors.ts";
import { PipelineQueue } from "./pipeline-queue.ts";
import type { ReadTurns } from "./read-turns.ts";
import { createRequestTimes } from "./request-times.ts";
import { bytesOf, hasBody, hasHalfHead, headArrived, watchHeads } from "./sent-ahead.ts";
import { followAnswers } from "./written-answers.ts";

/** What Node takes for a piece of a body, in addition to its bytes: it copies each. A chunk of one byte is a piece. */
const PIECE_BYTES = 512;
const COUNTED_PIECES = 2048;

export interface Http1Options {
  readonly listener: RequestListener;
  readonly limits: HttpLimits;
  readonly turns: ReadTurns;
  readonly onRequest: ((headerBytes: number) => void) | undefined;
  readonly onGarbage: ((bytes: number) => void) | undefined;
  /** While it returns true, every answer ends its connection. */
  readonly endsConnections: () => boolean;
}

export interface Http1Server {
  /** Takes a connection whose first bytes have arrived; with `isIdle`, one that waits for its next request. */
  accept(socket: Socket, isIdle: boolean): void;
  /**
   * What its client has sent behind the request that is being answered. Undefined if the next image of the agent cannot
   * be given that: a part of a head, or of a body in chunks.
   */
  sentAhead(socket: Socket): Buffer | undefined;
  /** Ends the connections that are beyond a time limit. */
  checkTimes(): void;
}

export function createHttp1Server(options: Http1Options): Http1Server {
  const { listener, limits, turns, onRequest, onGarbage, endsConnections } = options;
  const { headersMs, idleConnectionMs: idleMs } = limits;
  const onLate = (socket: Socket) => {
    // Nothing that arrives after the answer is executed.
    setLastAnswer(socket);
    const error = Object.assign(new Error("the headers did not arrive in time"), { code: LATE_HEADERS });
    server.emit("clientError", error, socket);
  };
  const times = createRequestTimes({ headersMs, idleMs }, onLate, (socket) => turns.isHeld(socket));
  const queue = new PipelineQueue();
  const noteHead = (request: NodeRequest) => {
    if (!isSecure(request.socket)) turns.noteRead(request.socket);
    onRequest?.(headerBytesOf(request));
  };
  let pieces = 0;
  const notePiece = (socket: Socket) => {
    turns.noteRead(socket);
    if (++pieces % COUNTED_PIECES === 0) onGarbage?.(COUNTED_PIECES * PIECE_BYTES);
  };
  const watched = (inner: RequestListener) =>
    times.watch(followHeads(inOrder(followAnswers(whenParsed(inner)), queue), noteHead));
  // It never listens; it is passed connections. So Node does not start its periodic check of them.
  const server = createServer(
    {
      IncomingMessage: CountedRequest as typeof IncomingMessage,
      ServerResponse: responseClass(endsConnections, idleMs),
      // The answering listener limits the time of a whole request: StreamInput can take forever.
      requestTimeout: 0,
      headersTimeout: 0,
      keepAliveTimeout: 0,
      maxHeaderSize: limits.maxHeaderBytes,
      // withHost answers with a body.
      requireHostHeader: false,
    },
    watched(withHost(listener)),
  );
  server.on("checkExpectation", watched(refuseExpectation));
  answerParseErrors(server, limits.maxHeaderBytes);
  return {
    accept: (socket, isIdle) => {
      const begin = () => {
        times.add(socket, isIdle);
        server.emit("connection", socket);
        watchHeads(socket);
        socket.off("error", ignore);
        socket.resume();
      };
      // Not with TLS: Node's TLS passes on what it has read of a connection that is paused, and a parser that is paused fails then.
      if (isSecure(socket)) return begin();
      // It may break before it begins.
      socket.on("error", ignore);
      watchPieces(socket, notePiece);
      turns.add(socket, begin);
    },
    sentAhead: (socket) => (hasHalfHead(socket) ? undefined : bytesOf(queue.waitingOn(socket))),
    checkTimes: times.check,
  };
}

function isSecure(socket: Socket): boolean {
  return "encrypted" in socket;
}

function ignore(): void {
  // The connection closes.
}

/**
 * Calls `listener` after the bytes that have arrived are parsed. A body that came in the same packet as
 * its head is then complete, and an error that answers the head does not end the connection.
 */
function whenParsed(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (!hasBody(request)) return listener(request, response);
    setImmediate(() => {
      if (!response.destroyed) listener(request, response);
    });
  };
}

type RequestWatcher = (request: NodeRequest) => void;

function followHeads(listener: RequestListener, onHead: RequestWatcher): RequestListener {
  return (request, response) => {
    headArrived(request.socket);
    listener(request, response);
    onHead(request);
  };
}
