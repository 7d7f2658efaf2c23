// The agent's listening socket and its connections: HTTP/1.1 and h2c on one port.

import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import type { Logger } from "../logger.ts";
import { type ProcessTable, startTimer } from "../process/index.ts";
import { createRpcListener, type NodeRequest, pathOf, type RequestListener } from "./adapter.ts";
import type { NodeResponse } from "./frame-sink.ts";
import { processRoutes } from "./process-service.ts";
import { sniffProtocol } from "./protocol-sniffer.ts";
import { prepareConnections } from "./tcp-sockets.ts";
import { type Connections, sweepConnections } from "./vanished-peers.ts";
import { WatchedSession } from "./watched-session.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly table: ProcessTable;
  readonly logger: Logger;
}

export interface RunningServer {
  /** `http://HOST:PORT` as clients would write it. */
  readonly url: string;
  readonly port: number;
  /** Refuses new connections and new streams from now on; those there are go on. */
  stopAccepting(): void;
  /** Lets requests finish for at most `flushMs`, then closes every connection. */
  close(flushMs: number): Promise<void>;
}

/** One message's size at most: input comes in pieces of any number. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** How long a client may take to say which HTTP it speaks, and to send its request's headers. */
const HEADERS_MS = 10_000;
/** How long it may take to send a request that is one message. */
const REQUEST_MS = 60_000;
/** How long a connection may be idle between two requests: longer than usual proxies keep theirs. */
const IDLE_CONNECTION_MS = 120_000;

/** Resolves when clients can connect; rejects with Node's error where the address cannot be had. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  let stopping = false;
  const requests = new RequestCount();
  const answer = route(options, () => stopping);
  const listener = inTurn(countRequests(requests, answer));
  const http1 = createHttp1Server(
    // The whole request's time is limited by limitBody: StreamInput may take for ever.
    { headersTimeout: HEADERS_MS, requestTimeout: 0, connectionsCheckingInterval: 1000 },
    listener,
  );
  http1.keepAliveTimeout = IDLE_CONNECTION_MS;
  // Node begins to check for slow headers when the server listens, and this one never does: it is handed connections.
  http1.emit("listening");
  const http2 = createHttp2Server({}, listener);
  http2.on("sessionError", (error) => options.logger.debug({ err: error }, "an HTTP/2 connection broke"));
  const connections: Connections = new Map();
  const server = createServer((socket) => {
    connections.set(socket, undefined);
    socket.once("close", () => connections.delete(socket));
    socket.setNoDelay(true);
    sniffProtocol(socket, HEADERS_MS, (version) => {
      // An HTTP/2 session reads what is buffered by itself; flowing, the socket would lose it.
      if (version === "h2c") {
        http2.once("session", (session: ServerHttp2Session) =>
          connections.set(socket, new WatchedSession(session)),
        );
        http2.emit("connection", socket);
      } else {
        http1.emit("connection", socket);
        socket.resume();
      }
    });
  });
  await listen(server, options);
  prepareConnections(server);
  const sweep = sweepConnections(connections, { headersMs: HEADERS_MS, idleMs: IDLE_CONNECTION_MS });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    port,
    stopAccepting: () => {
      stopping = true;
      server.close();
    },
    close: async (flushMs) => {
      stopping = true;
      server.close();
      await requests.none(flushMs);
      sweep.cancel();
      for (const socket of connections.keys()) socket.destroy();
    },
  };
}

function route({ table, logger }: ServerOptions, isStopping: () => boolean): RequestListener {
  return createRpcListener({
    routes: processRoutes({ table, logger, isStopping }),
    logger,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    requestMs: REQUEST_MS,
    fallback: answerPlain,
  });
}

/** What is no RPC: the health check, or nothing we have. */
function answerPlain(request: NodeRequest, response: NodeResponse): void {
  const isHealth = pathOf(request) === "/health";
  const isRead = request.method === "GET" || request.method === "HEAD";
  response.writeHead(isHealth ? (isRead ? 204 : 405) : 404);
  response.end();
}

function listen(server: Server, { host, port }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** How many requests are being answered. */
class RequestCount {
  #count = 0;
  #onNone: (() => void) | undefined;

  begin(): void {
    this.#count++;
  }

  end(): void {
    if (--this.#count === 0) this.#onNone?.();
  }

  /** Resolves when there is none, or after `patienceMs`. */
  none(patienceMs: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = startTimer(patienceMs, resolve);
      this.#onNone = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

function countRequests(count: RequestCount, listener: RequestListener): RequestListener {
  return (request, response) => {
    count.begin();
    response.once("close", () => count.end());
    listener(request, response);
  };
}

/**
 * A pipelined request waits until its response has the connection: Node does not close a response that never got it, and
 * whoever streams to that would wait for ever.
 */
function inTurn(listener: RequestListener): RequestListener {
  return (request, response) => {
    const waits = !("stream" in response) && response.socket === null;
    if (waits) response.once("socket", () => listener(request, response));
    else listener(request, response);
  };
}
