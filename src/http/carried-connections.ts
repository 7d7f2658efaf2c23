// Connections and listening sockets that outlive the image of the agent that opened them
// (src/handover). A silent connection on plain HTTP/1.1 continues, and so does one that carries a
// stream of output, which src/rpc continues. HTTP/2 and TLS have state that cannot be carried: the
// next image closes these connections after the bytes that were written to them have arrived.

import { Socket } from "node:net";
import { startTimer } from "../clock.ts";
import type { ListenAddress } from "./listen/listening.ts";

export interface ServerState {
  readonly listening: readonly { readonly address: ListenAddress; readonly fd: number }[];
  /** Plain HTTP/1.1 on which nothing is asked. */
  readonly silent: readonly number[];
  /** Those of them on which requests came before: the limit for the first bytes of a connection is not theirs. */
  readonly used?: readonly number[] | undefined;
  /** Those that cannot be carried. */
  readonly parting: readonly number[];
}

export function serverDescriptors({ listening, silent, parting }: ServerState): number[] {
  return [...listening.map(({ fd }) => fd), ...silent, ...parting];
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
