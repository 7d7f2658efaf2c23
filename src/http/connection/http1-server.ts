// HTTP/1.1 on connections that are passed to it.

import { createServer, type Server } from "node:http";
import type { RequestListener } from "../exchange.ts";
import type { HttpLimits } from "../limits.ts";
import { inOrder, responseClass } from "./early-answer.ts";
import { answerParseErrors } from "./http1-errors.ts";

export interface Http1Options {
  readonly listener: RequestListener;
  readonly limits: HttpLimits;
  /** While it returns true, every answer ends its connection. */
  readonly endsConnections: () => boolean;
}

export function createHttp1Server({ listener, limits, endsConnections }: Http1Options): Server {
  const server = createServer(
    {
      ServerResponse: responseClass(endsConnections),
      headersTimeout: limits.headersMs,
      // The answering listener limits the time of a whole request: StreamInput can take forever.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1000, limits.headersMs),
      maxHeaderSize: limits.maxHeaderBytes,
    },
    inOrder(whenParsed(listener)),
  );
  server.keepAliveTimeout = limits.idleConnectionMs;
  answerParseErrors(server, limits.maxHeaderBytes);
  // Node starts its check for slow headers when a server listens. This one never listens; it is passed
  // connections.
  server.emit("listening");
  return server;
}

/**
 * Calls `listener` after the bytes that have arrived are parsed. A body that came in the same packet as
 * its head is then complete, and an error that answers the head does not end the connection.
 */
function whenParsed(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (!hasBody(request.headers)) return listener(request, response);
    setImmediate(() => {
      if (!response.destroyed) listener(request, response);
    });
  };
}

function hasBody(headers: NodeJS.Dict<string | string[]>): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}
