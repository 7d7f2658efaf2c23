// Connections and listening sockets that outlive the image of the agent that opened them
// (src/handover). A silent connection on plain HTTP/1.1 continues, so does one whose answer is written
// and not sent yet, and one that carries a stream of output, which src/rpc continues. HTTP/2 and TLS
// have state that cannot be carried: the next image closes these connections after the bytes that
// the kernel accepted have arrived.

import { Socket } from "node:net";
import { startTimer } from "../clock.ts";
import { type EarlyBytes, keepEarly } from "./connection/sent-ahead.ts";
import type { ListenAddress } from "./listen/listening.ts";

/** A connection with something on it that came from another image of the agent. */
export interface BusyConnection {
  readonly socket: Socket;
  /** All of the answer is written: if the agent becomes another image now, that image sends the rest. */
  written(early: EarlyBytes): void;
  /** It is free for the next request. */
  release(): void;
}

/** A connection on plain HTTP/1.1 with an answer that another image of the agent began. */
export interface ConnectionState {
  readonly fd: number;
  /** Requests that the client has sent ahead. */
  readonly early?: Buffer | undefined;
  /** The connection ends with the answer. */
  readonly isLastAnswer?: boolean | undefined;
}

/** All of the answer is written. */
export interface WrittenAnswerState extends ConnectionState {
  /** The rest that the kernel has not accepted. */
  readonly unsent: Buffer;
}

export interface ServerState {
  readonly listening: readonly { readonly address: ListenAddress; readonly fd: number }[];
  /** Plain HTTP/1.1 on which nothing is asked. */
  readonly silent: readonly number[];
  /** Those of them on which requests came before: the limit for the first bytes of a connection is not theirs. */
  readonly used?: readonly number[] | undefined;
  readonly written?: readonly WrittenAnswerState[] | undefined;
  /** Those that cannot be carried. */
  readonly parting: readonly number[];
}

export function serverDescriptors({ listening, silent, written = [], parting }: ServerState): number[] {
  return [...listening.map(({ fd }) => fd), ...silent, ...written.map(({ fd }) => fd), ...parting];
}

/** Undefined if it cannot be carried: what the client has sent ahead is not known as bytes. */
export function connectionState(
  fd: number,
  ahead: Buffer | undefined,
  isLastAnswer: boolean,
): ConnectionState | undefined {
  if (ahead === undefined) return undefined;
  return {
    fd,
    ...(ahead.length === 0 ? {} : { early: ahead }),
    ...(isLastAnswer ? { isLastAnswer } : {}),
  };
}

/** Sends the rest of an answer. The connection is then free for its next request. */
export function sendRest({ socket, written, release }: BusyConnection, state: WrittenAnswerState): void {
  const early = keepEarly(socket, state.early);
  written(early);
  socket.write(state.unsent, (error) => {
    if (error) return;
    early.putBack();
    release();
  });
}

/** A client that does not close its side has this long to read the bytes that were sent. */
const PARTING_MS = 5000;

/**
 * Closes a connection that could not be carried: the bytes that were written to it arrive, and its
 * client learns that it is over. A plain close with unread bytes is a reset, which can overtake
 * bytes that were sent.
 */
export function partFrom(fd: number): void {
  const socket = openConnection(fd, true);
  const timer = startTimer(PARTING_MS, () => socket.destroy());
  socket.once("close", () => timer.cancel());
  socket.end();
  socket.resume();
}

/** `allowHalfOpen`: the end of the client's side does not end this side. */
export function openConnection(fd: number, allowHalfOpen = false): Socket {
  const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen });
  return socket.on("error", () => socket.destroy());
}
