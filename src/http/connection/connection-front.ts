// From an accepted connection to requests: TLS or none, HTTP/1.1 or HTTP/2, on any address.

import { createServer as createHttp1Server } from "node:http";
import type { Http2Server, Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Logger } from "../../logger.ts";
import type { RequestListener } from "../exchange.ts";
import type { HttpLimits } from "../limits.ts";
import { answerParseErrors } from "./http1-errors.ts";
import type { IdleConnections } from "./idle-connections.ts";
import { sniffProtocol } from "./protocol-sniffer.ts";
import { createTlsFront, type TlsIdentity } from "./tls-front.ts";
import type { Connections } from "./vanished-peers.ts";
import { WatchedSession } from "./watched-session.ts";

/** How long a client may take to say which HTTP it speaks, to shake hands, and to send its request's headers. */
export const HEADERS_MS = 10_000;

/** Beside streams: unary calls on the same connection. */
const UNARY_CALLS = 256;

/** HTTP/2's headers are refused in words up to this, and by a reset of the stream beyond. Node's default. */
const LEAST_HTTP2_HEADER_BYTES = 65_535;

export interface ConnectionFrontOptions {
  readonly listener: RequestListener;
  readonly idle: IdleConnections;
  readonly limits: HttpLimits;
  /** Undefined: plain text. */
  readonly tls: TlsIdentity | undefined;
  readonly logger: Logger;
}

export interface ConnectionFront {
  /** All that are open, by their plain sockets. */
  readonly connections: Connections;
  accept(socket: Socket): void;
}

/** Throws a HoldfastError for a certificate and key that cannot be used. */
export function createConnectionFront(options: ConnectionFrontOptions): ConnectionFront {
  const { idle } = options;
  const connections: Connections = new Map();
  const http1 = createHttp1(options);
  let http2: Http2Server | undefined;
  const toHttp1 = (plain: Socket, socket: Socket) => {
    idle.alias(plain, socket);
    http1.emit("connection", socket);
    socket.resume();
  };
  // An HTTP/2 session reads what is buffered by itself; flowing, the socket would lose it.
  const toHttp2 = (plain: Socket, socket: Socket) => {
    http2 ??= createHttp2(options);
    http2.once("session", (session: ServerHttp2Session) => {
      connections.set(plain, new WatchedSession(session));
      idle.alias(plain, session);
    });
    http2.emit("connection", socket);
  };
  const secure =
    options.tls && createTlsFront({ ...options, identity: options.tls, handshakeMs: HEADERS_MS });
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
        sniffProtocol(socket, HEADERS_MS, (version) =>
          (version === "h2c" ? toHttp2 : toHttp1)(socket, socket),
        );
    },
  };
}

function createHttp1({ listener, limits }: ConnectionFrontOptions) {
  const server = createHttp1Server(
    {
      headersTimeout: HEADERS_MS,
      // The whole request's time is limited by limitBody: StreamInput may take for ever.
      requestTimeout: 0,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: limits.maxHeaderBytes,
    },
    listener,
  );
  server.keepAliveTimeout = limits.idleConnectionMs;
  answerParseErrors(server, limits.maxHeaderBytes);
  // Node begins to check for slow headers when the server listens, and this one never does: it is handed connections.
  server.emit("listening");
  return server;
}

/** Node's HTTP/2 is loaded with the first connection that speaks it: an agent starts 5 ms sooner without. */
function createHttp2({ listener, limits, logger }: ConnectionFrontOptions): Http2Server {
  const { createServer } = process.getBuiltinModule("node:http2");
  const settings = {
    maxHeaderListSize: Math.max(LEAST_HTTP2_HEADER_BYTES, 2 * limits.maxHeaderBytes),
    maxConcurrentStreams: limits.maxStreams + UNARY_CALLS,
  };
  const server = createServer({ settings }, unlessCancelled(listener));
  server.on("sessionError", (error) => logger.debug({ err: error }, "an HTTP/2 connection broke"));
  return server;
}

/**
 * Calls `listener` once what has arrived is parsed, and not for streams that were cancelled meanwhile. Node parses up to
 * 64 KiB at a time, in which a thousand streams are opened and cancelled: each would cost 30 KB to answer, for nobody.
 */
function unlessCancelled(listener: RequestListener) {
  return (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    setImmediate(() => {
      if (!request.stream.closed) listener(request, response);
    });
  };
}
