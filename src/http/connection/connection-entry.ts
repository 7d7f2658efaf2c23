// From an accepted connection to requests: with or without TLS, over HTTP/1.1 or HTTP/2.

import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { descriptorOf } from "../../linux/index.ts";
import type { Logger } from "../../logger.ts";
import { connectionState, type ServerState, type WrittenAnswerState } from "../carried-connections.ts";
import type { NodeRequest, RequestListener } from "../exchange.ts";
import type { HttpLimits } from "../limits.ts";
import { isBodyFull } from "./early-answer.ts";
import { detectHttpVersion } from "./http-version.ts";
import { createHttp1Server } from "./http1-server.ts";
import { createHttp2Server, type Http2Entry } from "./http2-server.ts";
import { type IdleConnections, ownerOf } from "./idle-connections.ts";
import { Pace } from "./pace.ts";
import { ReadTurns } from "./read-turns.ts";
import { type Connections, WatchedSession } from "./sweep.ts";
import { createTlsEntry, type TlsIdentity } from "./tls-entry.ts";
import { followWrites } from "./unsent-bytes.ts";
import { type HasRoom, WaitingStreams } from "./waiting-streams.ts";
import { writtenAnswer } from "./written-answers.ts";

export interface ConnectionEntryOptions {
  readonly listener: RequestListener;
  readonly idle: IdleConnections;
  readonly limits: HttpLimits;
  /** Undefined: there always is. */
  readonly hasRoomForStreams: HasRoom | undefined;
  /** Is called for each request that arrives, with the length of its headers. */
  readonly onRequest: ((headerBytes: number) => void) | undefined;
  /** Is told of garbage that the runtime leaves. */
  readonly onGarbage: ((bytes: number) => void) | undefined;
  /** Undefined: plain text. */
  readonly tls: TlsIdentity | undefined;
  readonly logger: Logger;
}

export interface ConnectionEntry {
  /** All open connections. */
  readonly connections: Connections;
  accept(socket: Socket): void;
  /** A connection on plain HTTP/1.1 whose earlier requests another image of the agent answered. It may wait for long. */
  acceptUsed(socket: Socket): void;
  /** A connection that is busy with something that came from another image of the agent. It counts until it closes. */
  addBusy(socket: Socket): void;
  /**
   * Before the agent becomes another image: asks clients of HTTP/2 to open other connections, and closes silent
   * connections with TLS, neither of which can be carried. Nothing that is being answered is affected.
   */
  partFromIdle(): void;
  /** Whether one that would be silent has received a part of a request, or a request that no listener has yet. */
  hasHalfArrived(): boolean;
  /** See Http1Server. */
  sentAhead(socket: Socket): Buffer | undefined;
  /** The descriptors of all connections, but for those in `carried`. */
  save(carried: ReadonlySet<number>): Omit<ServerState, "listening">;
  /** Whether nothing is asked on a connection, not even the beginning of a request, and nothing waits to be sent on it. */
  isSilent(socket: Socket): boolean;
  /** Ends connections of HTTP/1.1 that are beyond a time limit. To be called periodically. */
  checkTimes(): void;
  /**
   * From now on connections end: those of HTTP/1.1 with their next answer, those of HTTP/2 with their
   * last open stream, after GOAWAY. Idle ones stay, so that no request meets a closed connection.
   */
  endConnections(): void;
  /** Closes every connection at once, except that of `asking`. Returns their number. */
  closeConnections(asking?: NodeRequest): number;
}

/** Throws a HoldfastError for a certificate and key that cannot be used. */
export function createConnectionEntry(options: ConnectionEntryOptions): ConnectionEntry {
  const { idle } = options;
  const { headersMs } = options.limits;
  const connections: Connections = new Map();
  /** The plain socket of a request's connection. */
  const plainSockets = new WeakMap<object, Socket>();
  const pace = new Pace();
  let isEnding = false;
  const waiting = new WaitingStreams(options.hasRoomForStreams);
  const turns = new ReadTurns({ isBodyFull: (socket) => isBodyFull(socket as Socket) });
  const versionOptions = { ...options, waiting, turns, endsConnections: () => isEnding };
  const http1 = createHttp1Server(versionOptions);
  let http2: Http2Entry | undefined;
  /** Those whose first bytes have arrived. */
  const used = new WeakSet<Socket>();
  const toHttp1 = (plain: Socket, socket: Socket, isIdle = false) => {
    used.add(plain);
    if (socket === plain) followWrites(socket);
    idle.alias(plain, socket);
    plainSockets.set(socket, plain);
    http1.accept(socket, isIdle);
  };
  // The socket stays paused: the session reads the buffered bytes itself, and a flowing socket loses them.
  const toHttp2 = (plain: Socket, socket: Socket) => {
    http2 ??= createHttp2Server(versionOptions);
    http2.prepare();
    http2.server.once("session", (session: ServerHttp2Session) => {
      connections.set(plain, new WatchedSession(session));
      idle.alias(plain, session);
      plainSockets.set(session, plain);
    });
    http2.server.emit("connection", socket);
  };
  const isSilent = (socket: Socket) =>
    idle.isSilent(socket) && socket.writableLength === 0 && !socket.writableEnded && !socket.readableEnded;
  /** The next bytes of an idle connection begin a request. */
  const isWaiting = (socket: Socket) => idle.isSilent(socket) && http1.sentAhead(socket) !== undefined;
  const saveAnswer = (socket: Socket, fd: number): WrittenAnswerState | undefined => {
    const answer = writtenAnswer(socket);
    if (answer === undefined) return undefined;
    const { unsent, isLast, early } = answer;
    const state = connectionState(fd, early?.bytes ?? http1.sentAhead(socket), isLast);
    return state && { ...state, unsent };
  };
  const watch = (socket: Socket) => {
    connections.set(socket, undefined);
    const gone = idle.add(
      socket,
      () => socket.destroy(),
      () => socket.bytesRead,
    );
    socket.once("close", () => {
      connections.delete(socket);
      gone();
    });
    socket.setNoDelay(true);
  };
  const begin = (socket: Socket) => {
    if (secure !== undefined)
      secure(socket, (clear, version) => (version === "h2" ? toHttp2 : toHttp1)(socket, clear));
    else
      detectHttpVersion(socket, headersMs, (version) =>
        (version === "h2c" ? toHttp2 : toHttp1)(socket, socket),
      );
  };
  const secure = options.tls && createTlsEntry({ ...options, identity: options.tls, handshakeMs: headersMs });
  return {
    connections,
    isSilent,
    checkTimes: http1.checkTimes,
    sentAhead: http1.sentAhead,
    addBusy: (socket) => {
      connections.set(socket, undefined);
      followWrites(socket);
      socket.once("close", () => connections.delete(socket));
      socket.setNoDelay(true);
    },
    partFromIdle: () => {
      for (const [socket, session] of connections) {
        if (session !== undefined) session.finish();
        else if (secure !== undefined && idle.isSilent(socket)) socket.destroy();
      }
    },
    hasHalfArrived: () => {
      if (secure !== undefined) return false;
      for (const [socket, session] of connections)
        if (session === undefined && idle.isIdle(socket) && !isWaiting(socket)) return true;
      return false;
    },
    save: (carried) => {
      const silent: number[] = [];
      const usedSilent: number[] = [];
      const written: WrittenAnswerState[] = [];
      const parting: number[] = [];
      for (const [socket, session] of connections) {
        const fd = descriptorOf(socket);
        if (fd === undefined || carried.has(fd)) continue;
        const isPlain = secure === undefined && session === undefined;
        const isCarried = isPlain && isSilent(socket) && isWaiting(socket);
        if (isCarried) {
          silent.push(fd);
          if (used.has(socket)) usedSilent.push(fd);
          continue;
        }
        const answer = isPlain ? saveAnswer(socket, fd) : undefined;
        if (answer === undefined) parting.push(fd);
        else written.push(answer);
      }
      return { silent, used: usedSilent, written, parting };
    },
    acceptUsed: (socket) => {
      watch(socket);
      toHttp1(socket, socket, socket.readableLength === 0);
    },
    accept: (socket) => {
      watch(socket);
      // It may break before it begins.
      socket.on("error", ignore);
      pace.add(() => {
        if (!socket.destroyed) begin(socket);
        socket.off("error", ignore);
      });
    },
    closeConnections: (asking) => {
      const kept = asking && plainSockets.get(ownerOf(asking));
      const closing = [...connections.keys()].filter((socket) => socket !== kept);
      for (const socket of closing) socket.destroy();
      return closing.length;
    },
    endConnections: () => {
      isEnding = true;
      for (const session of connections.values()) session?.finish();
    },
  };
}

function ignore(): void {
  // The connection closes.
}
