// The parts of a response on plain HTTP/1.1 that another image of the agent began and this one ends: what the client sends
// meanwhile, its time limit, and the end of the stream in the format of its protocol.

import type { ConnectError } from "@connectrpc/connect";
import { endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { realClock, startTimer, type Timer } from "../../clock.ts";
import {
  type BusyConnection,
  END_STREAM_FLAG,
  encodeGrpcMessage,
  enveloped,
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

/** More of requests that come before their turn is not read. */
const MAX_EARLY_BYTES = 64 * 1024;

export interface EarlyBytes {
  /** All of them so far. */
  readonly bytes: Buffer;
  putBack(): void;
}

/** Reads the connection, so that its end is noticed. What arrives, after `before`, belongs to the next request. */
export function keepEarly(socket: Socket, before: Buffer = Buffer.alloc(0)): EarlyBytes {
  let early: Buffer[] = [before];
  let bytes = before.length;
  const onData = (data: Buffer) => {
    early.push(data);
    bytes += data.length;
    if (bytes > MAX_EARLY_BYTES) socket.pause();
  };
  socket.on("data", onData);
  return {
    get bytes() {
      return Buffer.concat(early);
    },
    putBack: () => {
      socket.off("data", onData).pause();
      if (bytes > 0 && !socket.destroyed) socket.unshift(Buffer.concat(early));
      early = [];
    },
  };
}

/** Ends the stream and the response. `onEnded`: the connection is free for its next request. */
export function endResponse(
  socket: Socket,
  protocol: string,
  error: ConnectError | undefined,
  onEnded: () => void,
): void {
  const trailers = protocol === "grpc" ? grpcTrailers(error) : "";
  if (protocol !== "grpc") writeChunk(socket, endOfStream(protocol, error));
  // Not closed: a client with a keep-alive connection may send its next request at this moment.
  socket.write(`0\r\n${trailers}\r\n`, "latin1", onEnded);
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
