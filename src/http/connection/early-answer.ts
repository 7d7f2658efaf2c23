// Answers that are sent before their request is complete, and connections that end with an answer.
//
// HTTP/1.1: a small rest of the body is read and discarded, and the connection continues. After a
// large one, or one of unknown length, the connection cannot be used again: the answer carries
// `Connection: close`, nothing that follows is dispatched, and the connection is read for a while so
// that the client can read the answer. (The kernel resets a socket that is closed with unread bytes,
// and the reset can overtake the answer.)
// HTTP/2: the stream is reset with NO_ERROR after the answer, as RFC 9113, 8.1 asks. Without that a
// client that uploads more than the flow-control window waits forever.

import { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { realClock, startTimer } from "../../clock.ts";
import type { RequestListener } from "../exchange.ts";
import type { PipelineQueue } from "./pipeline-queue.ts";

/** If no more than this is missing of a body, it is read to its end after an early answer. */
const MAX_DISCARDED_BYTES = 64 * 1024;

/** A connection that ends is read until its client sends nothing for this long… */
export const LINGER_IDLE_MS = 2000;
/** …and at most this long. As nginx does (lingering_time). */
const LINGER_MS = 30_000;

/**
 * Each still has the memory of its request. Beyond this number of connections, and as many streams of HTTP/2, the one that
 * waits the longest is closed.
 */
const MAX_LINGERING = 256;

/** HTTP/2's code for a reset that is not an error. */
const NO_ERROR = 0;
/** How long to wait for the end of an answer that the connection has not sent yet. */
const RESET_RETRY_MS = 20;
const MAX_RESET_RETRIES = 50;

/** Listeners for pieces of bodies, by connection. */
const onPiece = new WeakMap<Socket, (socket: Socket) => void>();

/** Calls `listener` for each piece of a body that arrives on `socket`. */
export function watchPieces(socket: Socket, listener: (socket: Socket) => void): void {
  onPiece.set(socket, listener);
}

/** Connections that Node does not read until a handler takes more of a body. */
const fullBodies = new WeakSet<Socket>();

/** Whether a body on this connection waits for its handler. */
export function isBodyFull(socket: Socket): boolean {
  return fullBodies.has(socket);
}

/**
 * A body waits for its handler if so many pieces of it wait, also if they are few bytes. Node makes a piece of each chunk, which
 * takes 400 bytes: its own limit is 64 KiB, which are 26 MB in chunks of one byte.
 */
const MAX_WAITING_PIECES = 1024;

/** The request class of an HTTP/1.1 server: counts what has arrived of the body, and how many pieces wait. */
export class CountedRequest extends IncomingMessage {
  #bodyBytes = 0;
  #waitingPieces = 0;
  /** How much the stream asked for when too many pieces waited. */
  #askedFor: number | undefined;

  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  /** Node's parser passes on the body with it. It does not read the connection after false, until `_read`. */
  override push(chunk: Uint8Array | null, encoding?: BufferEncoding): boolean {
    if (chunk !== null) {
      this.#bodyBytes += chunk.length;
      this.#waitingPieces++;
      onPiece.get(this.socket)?.(this.socket);
    }
    const takesMore = super.push(chunk, encoding) && this.#waitingPieces < MAX_WAITING_PIECES;
    // `push(null)` returns false also, but Node continues to read.
    if (chunk !== null && !takesMore) fullBodies.add(this.socket);
    else fullBodies.delete(this.socket);
    return takesMore;
  }

  override _read(bytes: number): void {
    if (this.readableLength > 0 && this.#waitingPieces >= MAX_WAITING_PIECES) {
      this.#askedFor = bytes;
      return;
    }
    fullBodies.delete(this.socket);
    super._read(bytes);
  }

  override read(bytes?: number): unknown {
    const piece: unknown = super.read(bytes);
    if (this.readableLength === 0) this.#waitingPieces = 0;
    // A handler that asks for more bytes than there are must get them.
    const wantsMore = this.readableLength === 0 || (piece === null && bytes !== 0);
    if (wantsMore && this.#askedFor !== undefined) {
      const askedFor = this.#askedFor;
      this.#askedFor = undefined;
      fullBodies.delete(this.socket);
      super._read(askedFor);
    }
    return piece;
  }
}

/** Connections whose last answer has begun. */
const closing = new WeakSet<Socket>();

/**
 * The response class of an HTTP/1.1 server. It decides with the head of an answer whether the
 * connection continues. While `endsConnections` returns true, no connection continues. `idleMs` is
 * the time in the header Keep-Alive.
 */
export function responseClass(
  endsConnections: () => boolean,
  idleMs: number,
): typeof ServerResponse<IncomingMessage> {
  return class extends ServerResponse<IncomingMessage> {
    /** Node's own field, for the header Keep-Alive. Node assigns the server's time limit, which it would also apply. */
    get _keepAliveTimeout(): number {
      return idleMs;
    }
    set _keepAliveTimeout(_: number) {
      // Stays as it is.
    }

    override writeHead(status: number, ...rest: unknown[]): this {
      const { req: request, socket } = this;
      if (leavesTooMuch(request) || endsConnections()) this.setHeader("Connection", "close");
      else if (!request.complete) this.once("finish", () => discardBody(request));
      Reflect.apply(super.writeHead, this, [status, ...rest]);
      // Node's own field: also true for a client that asked for the close, and for HTTP/1.0.
      if (socket !== null && Reflect.get(this, "_last") === true) closeAfterAnswer(request, socket);
      return this;
    }
  };
}

/**
 * For HTTP/1.1: passes on a request only if its connection can carry an answer, and when it is its turn. A client that
 * sends ahead more requests than all connections together may is disconnected.
 */
export function inOrder(listener: RequestListener, queue: PipelineQueue): RequestListener {
  return (request, response) => {
    const dispatch = () => {
      if (!closing.has(request.socket)) return listener(request, response);
      // Not read any further: a client could send requests, which all take memory, until the end.
      request.socket.pause();
    };
    // A pipelined request waits until its response owns the connection. Node does not close a response
    // that never owned it, and a listener that streams to such a response would wait forever.
    if (response.socket !== null) return dispatch();
    if (!queue.enter(request.socket, request)) return breakOff(request.socket);
    response.once("socket", () => {
      queue.leave(request.socket);
      dispatch();
    });
  };
}

/**
 * Closes a connection, and ends the parsing of what has arrived on it: a thousand requests can follow, and each would cost Node an
 * error when it learns of the close.
 */
function breakOff(socket: Socket): void {
  const parser: unknown = Reflect.get(socket, "parser");
  // Node's field, called with each head. 2 says that the rest is of another protocol, so the parser leaves it.
  if (typeof parser === "object" && parser !== null) Reflect.set(parser, "onIncoming", () => 2);
  socket.destroy();
}

/** Whether the answer on this connection is its last one. */
export function hasLastAnswer(socket: Socket): boolean {
  return closing.has(socket);
}

/** The same for an answer that another image of the agent began. */
export function setLastAnswer(socket: Socket): void {
  closing.add(socket);
}

/** The last answer is written, and the request before it has arrived completely. */
export function endAfterLastAnswer(socket: Socket): void {
  socket.resume();
  socket.end();
  lingerUntilIdle(socket);
}

/** For HTTP/2: ends the client's side of the stream when the answer ends before the request. */
export function resetUnread({ stream }: Http2ServerRequest): void {
  // "finish" ends an answer that is only headers; the end of an answer with a body comes with its trailers.
  stream.once("finish", () => setImmediate(() => resetIfAnswered(stream)));
  stream.once("wantTrailers", () => setImmediate(() => resetWhenAnswered(stream)));
}

function resetIfAnswered(stream: ServerHttp2Stream): void {
  if (!stream.closed && stream.state.localClose === 1 && stream.state.remoteClose === 0)
    stream.close(NO_ERROR);
}

/** Answered streams whose end has not been sent, with how often they are still looked at. The first waits the longest. */
const unsent = new Map<ServerHttp2Stream, number>();
let isLookedAt = false;

/** The answer must be on its way first: nghttp2 sends a reset before the rest of the stream's data. */
function resetWhenAnswered(stream: ServerHttp2Stream): void {
  if (resetsNow(stream, MAX_RESET_RETRIES)) return;
  unsent.set(stream, MAX_RESET_RETRIES);
  const [longest] = unsent.keys();
  if (unsent.size > MAX_LINGERING && longest !== undefined) {
    unsent.delete(longest);
    longest.close(NO_ERROR);
  }
  if (!isLookedAt) startTimer(RESET_RETRY_MS, lookAtUnsent);
  isLookedAt = true;
}

function lookAtUnsent(): void {
  for (const [stream, retries] of unsent)
    if (resetsNow(stream, retries - 1)) unsent.delete(stream);
    else unsent.set(stream, retries - 1);
  isLookedAt = unsent.size > 0;
  if (isLookedAt) startTimer(RESET_RETRY_MS, lookAtUnsent);
}

/** Resets the stream if its answer is sent, or if that takes too long. Returns true if nothing is left to do. */
function resetsNow(stream: ServerHttp2Stream, retries: number): boolean {
  if (stream.closed) return true;
  const { localClose, remoteClose } = stream.state;
  if (remoteClose === 1) return true;
  if (localClose !== 1 && retries > 0) return false;
  stream.close(NO_ERROR);
  return true;
}

function leavesTooMuch(request: IncomingMessage): boolean {
  const { complete, headers } = request;
  if (complete) return false;
  if (headers["transfer-encoding"] !== undefined) return true;
  const arrivedBytes = request instanceof CountedRequest ? request.bodyBytes : 0;
  return Number(headers["content-length"] ?? 0) - arrivedBytes > MAX_DISCARDED_BYTES;
}

/** The listener may have read some of it, and stopped. */
function discardBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.removeAllListeners("readable");
  request.resume();
}

/** Replaces the way in which Node closes the connection after the answer. */
function closeAfterAnswer(request: IncomingMessage, socket: Socket): void {
  closing.add(socket);
  socket.destroySoon = () => {
    discardBody(request);
    socket.end();
    lingerUntilIdle(socket);
  };
}

const lingering = new Set<Socket>();

function lingerUntilIdle(socket: Socket): void {
  lingering.add(socket);
  const [longest] = lingering;
  if (lingering.size > MAX_LINGERING && longest !== undefined) {
    lingering.delete(longest);
    longest.destroy();
  }
  const start = realClock.nowMs();
  let bytesRead = socket.bytesRead;
  const look = () => {
    if (socket.bytesRead === bytesRead || realClock.nowMs() - start > LINGER_MS) return void socket.destroy();
    bytesRead = socket.bytesRead;
    timer = startTimer(LINGER_IDLE_MS, look);
  };
  let timer = startTimer(LINGER_IDLE_MS, look);
  socket.once("close", () => {
    lingering.delete(socket);
    timer.cancel();
  });
}
