// The parts of a response on plain HTTP/1.1 that another image of the agent began and this one ends: its time limit, and the
// end of the stream in the format of its protocol.

import { Code, ConnectError } from "@connectrpc/connect";
import { endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { realClock, startTimer, type Timer } from "../../clock.ts";
import {
  type BusyConnection,
  type EarlyBytes,
  END_STREAM_FLAG,
  encodeGrpcMessage,
  endWithGrant,
  enveloped,
  Grant,
  TRAILER_FLAG,
} from "../../http/index.ts";
import { fromLastingMs } from "../../lasting-time.ts";

type Socket = BusyConnection["socket"];

export interface TimeLimit {
  readonly timer: Timer | undefined;
  hasPassed(): boolean;
}

/** `dueAtMs`: a lasting time. */
export function limitTime(dueAtMs: number | undefined, onPassed: () => void): TimeLimit {
  let passed = false;
  const nowMs = realClock.nowMs();
  const timer =
    dueAtMs === undefined
      ? undefined
      : startTimer(Math.max(0, fromLastingMs(dueAtMs, nowMs) - nowMs), () => {
          passed = true;
          onPassed();
        });
  return { timer, hasPassed: () => passed };
}

export interface TokenLimit {
  /** Why the token ended. */
  reason(): string | undefined;
  stop(): void;
}

/** `grant`: undefined if the token ended together with the image before. `onEnded` may be called at once. */
export function limitToToken(grant: Grant | undefined, socket: Socket, onEnded: () => void): TokenLimit {
  const followed = grant ?? new Grant({ id: "a token that is gone", scopes: [] });
  let reason: string | undefined;
  const unfollow = followed.onEnd((why) => {
    reason = why;
    onEnded();
  });
  const stopEnding = endWithGrant(followed, socket);
  if (grant === undefined) followed.revoke();
  return {
    reason: () => reason,
    stop: () => {
      unfollow();
      stopEnding();
    },
  };
}

/** Why the stream ends before its process, or its watch. */
export function limitError(time: TimeLimit, token: TokenLimit): ConnectError | undefined {
  const reason = token.reason();
  if (reason !== undefined) return new ConnectError(reason, Code.Unauthenticated);
  return time.hasPassed() ? new ConnectError("the operation timed out", Code.DeadlineExceeded) : undefined;
}

/**
 * Ends the stream and the response. The connection is then free for its next request. `early`: what the client has sent
 * since the response began. `onSent`: the connection has accepted everything, or never will.
 */
export function endResponse(
  { socket, written, release }: BusyConnection,
  protocol: string,
  error: ConnectError | undefined,
  early: EarlyBytes,
  onSent: () => void,
): void {
  const trailers = protocol === "grpc" ? grpcTrailers(error) : "";
  if (protocol !== "grpc") writeChunk(socket, endOfStream(protocol, error));
  // Not closed: a client with a keep-alive connection may send its next request at this moment.
  socket.write(`0\r\n${trailers}\r\n`, "latin1", (failure) => {
    onSent();
    if (failure) return;
    early.putBack();
    release();
  });
  // A client that reads nothing now gets the rest from the next image.
  written(early);
}

function endOfStream(protocol: string, error: ConnectError | undefined): Buffer {
  if (protocol === "connect") {
    const end = endStreamToJson(new Headers(), error, undefined);
    return enveloped(END_STREAM_FLAG, Buffer.from(JSON.stringify(end)));
  }
  return enveloped(TRAILER_FLAG, Buffer.from(grpcTrailers(error)));
}

/** In gRPC-web they are a message, and in gRPC the trailers of the response. */
function grpcTrailers(error: ConnectError | undefined): string {
  const message = error === undefined ? "" : `grpc-message: ${encodeGrpcMessage(error.rawMessage)}\r\n`;
  return `grpc-status: ${error?.code ?? 0}\r\n${message}`;
}

export function writeChunk(socket: Socket, bytes: Buffer): void {
  socket.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]));
}
