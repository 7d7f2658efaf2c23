// The connection of a stream on plain HTTP/1.1, as plain data for the next image of the agent. Fields are only added; a
// field keeps its name and its meaning.

import type { Socket } from "node:net";
import { type ConnectionState, connectionState, hasLastAnswer } from "../../http/index.ts";
import { descriptorOf } from "../../linux/index.ts";

export interface StreamConnection {
  /** Undefined if it cannot be carried. */
  readonly socket: Socket | undefined;
  /** Of a stream that another image of the agent began: what its client has sent since. */
  readonly early?: { readonly bytes: Buffer };
}

/** What a client has sent behind the request that is being answered; undefined if that cannot be carried. */
export type SentAhead = (socket: Socket) => Buffer | undefined;

/** Undefined if it cannot be carried. Changes nothing. */
export function saveConnection(
  { socket, early }: StreamConnection,
  sentAhead: SentAhead,
): ConnectionState | undefined {
  if (socket === undefined) return undefined;
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  return connectionState(fd, early === undefined ? sentAhead(socket) : early.bytes, hasLastAnswer(socket));
}
