// HTTP/2 on connections that are passed to it.

import type { Http2Server, Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from "node:http2";
import type { Logger } from "../../logger.ts";
import type { RequestListener } from "../exchange.ts";
import type { HttpLimits } from "../limits.ts";
import { resetUnread } from "./early-answer.ts";
import { Pace } from "./pace.ts";

/** Streams of one connection in addition to `maxStreams`, for short calls. */
const SHORT_CALLS = 256;

/**
 * Node resets a stream whose headers are larger than this (its default); up to it, the agent can answer
 * with an error.
 */
const LEAST_HEADER_BYTES = 65_535;

export interface Http2Options {
  readonly listener: RequestListener;
  readonly limits: HttpLimits;
  /** While it returns true, a new connection gets one answer, and GOAWAY. */
  readonly endsConnections: () => boolean;
  readonly logger: Logger;
}

/** Node's HTTP/2 is loaded by the first call: without it the agent starts 5 ms sooner. */
export function createHttp2Server({ listener, limits, endsConnections, logger }: Http2Options): Http2Server {
  const { createServer } = process.getBuiltinModule("node:http2");
  const settings = {
    maxHeaderListSize: Math.max(LEAST_HEADER_BYTES, 2 * limits.maxHeaderBytes),
    maxConcurrentStreams: limits.maxStreams + SHORT_CALLS,
  };
  const server = createServer({ settings }, unlessCancelled(listener));
  server.on("sessionError", (error) => logger.debug({ err: error }, "an HTTP/2 connection broke"));
  server.on("session", (session: ServerHttp2Session) => {
    // After the first stream: GOAWAY before it would leave the client without an answer.
    if (endsConnections()) session.once("stream", () => setImmediate(() => session.close()));
  });
  return server;
}

/**
 * Calls `listener` after the bytes that have arrived are parsed, and only for streams that are still open, a few of each
 * connection in a turn. Node parses up to 64 KiB at a time. A client can open and cancel a thousand streams in that, and each
 * would cost 30 KB to answer.
 */
function unlessCancelled(listener: RequestListener) {
  const paces = new WeakMap<object, Pace>();
  const paceOf = (session: object): Pace => {
    const known = paces.get(session) ?? new Pace();
    paces.set(session, known);
    return known;
  };
  return (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    const { stream } = request;
    // A stream that is closed has no session.
    const pace = stream.session && paceOf(stream.session);
    setImmediate(() =>
      pace?.add(() => {
        if (stream.closed) return;
        resetUnread(request);
        listener(request, response);
      }),
    );
  };
}
