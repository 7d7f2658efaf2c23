// From an accepted connection to requests: with or without TLS, over HTTP/1.1 or HTTP/2.

import { createServer as createHttp1Server } from "node:http";
import type { Http2Server, Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Logger } from "../../logger.ts";
import type { RequestListener } from "../exchange.ts";
import type { HttpLimits } from "../limits.ts";
import { detectHttpVersion } from "./http-version.ts";
import { answerParseErrors } from "./http1-errors.ts";
import type { IdleConnections } from "./idle-connections.ts";
import { type Connections, WatchedSession } from "./sweep.ts";
import { createTlsEntry, type TlsIdentity } from "./tls-entry.ts";

/** Streams of one HTTP/2 connection in addition to `maxStreams`, for short calls. */
const SHORT_CALLS = 256;

/**
 * Node resets a stream whose headers are larger than this (its default); up to it, the agent can answer
 * with an error.
 */
const LEAST_HTTP2_HEADER_BYTES = 65_535;

export interface ConnectionEntryOptions {
  readonly listener: RequestListener;
  readonly idle: IdleConnections;
  readonly limits: HttpLimits;
  /** Undefined: plain text. */
  readonly tls: TlsIdentity | undefined;
  readonly logger: Logger;
}

export interface ConnectionEntry {
  /** All open connections. */
  readonly connections: Connections;
  accept(socket: Socket): void;
}

/** Throws a HoldfastError for a certificate and key that cannot be used. */
export function createConnectionEntry(options: ConnectionEntryOptions): ConnectionEntry {
  const { idle } = options;
  const { headersMs } = options.limits;
  const connections: Connections = new Map();
  const http1 = createHttp1(options);
  let http2: Http2Server | undefined;
  const toHttp1 = (plain: Socket, socket: Socket) => {
    idle.alias(plain, socket);
    http1.emit("connection", socket);
    socket.resume();
  };
  // The socket stays paused: the session reads the buffered bytes itself, and a flowing socket loses them.
  const toHttp2 = (plain: Socket, socket: Socket) => {
    http2 ??= createHttp2(options);
    http2.once("session", (session: ServerHttp2Session) => {
      connections.set(plain, new WatchedSession(session));
      idle.alias(plain, session);
    });
    http2.emit("connection", socket);
  };
  const secure = options.tls && createTlsEntry({ ...options, identity: options.tls, handshakeMs: headersMs });
  return {
    connections,
    accept: (socket) => {
      connections.set(socket, undefined);
      const gone = idle.add(socket, () => socket.destroy());
      socket.once("close", () => {
        connections.delete(socket);
        gone();
      });
      socket.setNoDelay(true);
      if (secure !== undefined)
        secure(socket, (clear, version) => (version === "h2" ? toHttp2 : toHttp1)(socket, clear));
      else
        detectHttpVersion(socket, headersMs, (version) =>
          (version === "h2c" ? toHttp2 : toHttp1)(socket, socket),
        );
    },
  };
}

function createHttp1({ listener, limits }: ConnectionEntryOptions) {
  const server = createHttp1Server(
    {
      headersTimeout: limits.headersMs,
      // The answering listener limits the time of a whole request: StreamInput can take forever.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1000, limits.headersMs),
      maxHeaderSize: limits.maxHeaderBytes,
    },
    listener,
  );
  server.keepAliveTimeout = limits.idleConnectionMs;
  answerParseErrors(server, limits.maxHeaderBytes);
  // Node starts its check for slow headers when a server listens. This one never listens; it is passed
  // connections.
  server.emit("listening");
  return server;
}

/** Loads Node's HTTP/2 with the first connection that speaks it: the agent starts 5 ms sooner. */
function createHttp2({ listener, limits, logger }: ConnectionEntryOptions): Http2Server {
  const { createServer } = process.getBuiltinModule("node:http2");
  const settings = {
    maxHeaderListSize: Math.max(LEAST_HTTP2_HEADER_BYTES, 2 * limits.maxHeaderBytes),
    maxConcurrentStreams: limits.maxStreams + SHORT_CALLS,
  };
  const server = createServer({ settings }, unlessCancelled(listener));
  server.on("sessionError", (error) => logger.debug({ err: error }, "an HTTP/2 connection broke"));
  return server;
}

/**
 * Calls `listener` after the bytes that have arrived are parsed, and only for streams that are still open.
 * Node parses up to 64 KiB at a time. A client can open and cancel a thousand streams in that, and each
 * would cost 30 KB to answer.
 */
function unlessCancelled(listener: RequestListener) {
  return (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    setImmediate(() => {
      if (!request.stream.closed) listener(request, response);
    });
  };
}
