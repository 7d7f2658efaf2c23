// HTTP/2 on connections that are passed to it.

import type {
  Http2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  Http2Session,
  ServerHttp2Session,
} from "node:http2";
import type { Logger } from "../../logger.ts";
import { headerBytesOf, type RequestListener } from "../exchange.ts";
import type { HttpLimits } from "../limits.ts";
import { resetUnread } from "./early-answer.ts";
import { Pace } from "./pace.ts";
import type { WaitingStreams } from "./waiting-streams.ts";

/** Streams of one connection in addition to `maxStreams`, for short calls. */
const SHORT_CALLS = 256;

/**
 * A client may open so many streams beyond those that are being answered. The library itself refuses more, before they cost
 * 12 KB each, so that one read does not bring three thousand. Clients open up to 100 before they know this number.
 */
const STREAMS_AHEAD = 128;
/** Hundreds of connections that come at once, before any of them had an answer, get fewer at first: about so many in all… */
const STREAMS_AHEAD_OF_NEW = 1280;
/** …and at least so many each. */
const LEAST_STREAMS_AHEAD = 8;

/**
 * Node resets a stream whose headers are larger than this (its default); up to it, the agent can answer
 * with an error.
 */
const LEAST_HEADER_BYTES = 65_535;

/** Of the protocol (RFC 9113, 7). */
const REFUSED_STREAM = 7;

export interface Http2Options {
  readonly listener: RequestListener;
  readonly limits: HttpLimits;
  readonly waiting: WaitingStreams;
  readonly onRequest: ((headerBytes: number) => void) | undefined;
  /** While it returns true, a new connection gets one answer, and GOAWAY. */
  readonly endsConnections: () => boolean;
  readonly logger: Logger;
}

export interface Http2Entry {
  readonly server: Http2Server;
  /** To be called before the server is passed a connection. */
  prepare(): void;
}

/** Node's HTTP/2 is loaded by the first call: without it the agent starts 5 ms sooner. */
export function createHttp2Server(options: Http2Options): Http2Entry {
  const { listener, limits, waiting, onRequest, endsConnections, logger } = options;
  const { createServer } = process.getBuiltinModule("node:http2");
  const maxHeaderListSize = Math.max(LEAST_HEADER_BYTES, 2 * limits.maxHeaderBytes);
  const raising = raisingLimit(listener, limits.maxStreams + SHORT_CALLS);
  const server = createServer({}, unlessCancelled(raising.listener, { waiting, onRequest }));
  server.on("sessionError", (error) => logger.debug({ err: error }, "an HTTP/2 connection broke"));
  server.on("session", (session: ServerHttp2Session) => {
    raising.add(session);
    // After the first stream: GOAWAY before it would leave the client without an answer.
    if (endsConnections()) session.once("stream", () => setImmediate(() => session.close()));
  });
  const prepare = () =>
    server.updateSettings({ maxHeaderListSize, maxConcurrentStreams: raising.firstLimit() });
  return { server, prepare };
}

interface SessionStreams {
  open: number;
  /** How many the client may open. */
  limit: number;
  /** The client has not acknowledged the limit yet. */
  isRaising: boolean;
  /** No answer was sent yet. */
  isNew: boolean;
}

/**
 * Calls `listener`, and lets each client open more streams while many of its streams are open, up to `most`. The limit of a
 * connection never becomes lower: streams on their way would be refused.
 */
function raisingLimit(listener: RequestListener, most: number) {
  const bySession = new WeakMap<object, SessionStreams>();
  /** Connections without an answer. */
  let fresh = 0;
  const firstLimit = () =>
    Math.max(LEAST_STREAMS_AHEAD, Math.min(STREAMS_AHEAD, Math.floor(STREAMS_AHEAD_OF_NEW / (fresh + 1))));
  const noLongerNew = (streams: SessionStreams) => {
    if (streams.isNew) fresh--;
    streams.isNew = false;
  };
  const follow = (session: Http2Session, response: Http2ServerResponse) => {
    const streams = bySession.get(session);
    if (streams === undefined) return;
    streams.open++;
    response.once("close", () => {
      streams.open--;
      noLongerNew(streams);
    });
    const isNear = streams.limit < most && streams.open > streams.limit - STREAMS_AHEAD / 2;
    // One at a time: Node ends the connection of a client that does not acknowledge them.
    if (!isNear || streams.isRaising) return;
    streams.limit = Math.min(most, streams.open + STREAMS_AHEAD);
    streams.isRaising = true;
    session.settings({ maxConcurrentStreams: streams.limit }, () => {
      streams.isRaising = false;
    });
  };
  return {
    /** How many streams the client of the next connection may open. */
    firstLimit,
    /** To be called for each new connection. */
    add: (session: Http2Session) => {
      const streams = { open: 0, limit: firstLimit(), isRaising: false, isNew: true };
      bySession.set(session, streams);
      fresh++;
      session.once("close", () => noLongerNew(streams));
    },
    listener: ((request, response) => {
      const { session } = request.stream;
      if (session !== undefined) follow(session, response);
      listener(request, response);
    }) satisfies Http2Listener,
  };
}

type Http2Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/**
 * Calls `listener` after the bytes that have arrived are parsed, and only for streams that are still open, a few in a turn, in
 * which connections take turns. Node parses up to 64 KiB at a time. A client can open and cancel a thousand streams in that, and each
 * would cost 30 KB to answer. A stream without room to wait is reset. REFUSED_STREAM tells its client that nothing was
 * done, and that it may send the request again.
 */
function unlessCancelled(
  listener: Http2Listener,
  { waiting, onRequest }: Pick<Http2Options, "waiting" | "onRequest">,
): Http2Listener {
  const pace = new Pace();
  return (request, response) => {
    const { stream } = request;
    const { session } = stream;
    // A stream that is closed has no session.
    if (session === undefined) return;
    const headerBytes = headerBytesOf(request);
    onRequest?.(headerBytes);
    const leave = waiting.add(session, headerBytes);
    if (leave === undefined) return stream.close(REFUSED_STREAM);
    const begin = () => {
      leave();
      if (stream.closed) return;
      resetUnread(request);
      listener(request, response);
    };
    setImmediate(() => pace.add(begin, session));
  };
}
