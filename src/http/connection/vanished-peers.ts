// Finds out about peers that vanished without a word: a host that lost its power or its network sends neither FIN nor RST.
// Below HTTP, so alike for HTTP/1.1, which has no ping, and h2c. Idle connections the kernel checks by itself, once told
// to. Those with bytes on their way it would try for a quarter of an hour; here they are given up sooner. Not by
// TCP_USER_TIMEOUT: since Linux 5.11 that also ends a live peer that merely does not read for as long, and a slow client
// is never cut for being slow.

import type { Socket } from "node:net";
import { startTimer, type Timer } from "../../clock.ts";
import { askKernel, waitingBytes } from "../../linux/index.ts";
import type { IdleLimits, WatchedSession } from "./watched-session.ts";

/** Each waits twice as long as the last, from 0.2 s on: six are 13 s on a quick network, a minute on a slow one. */
const MAX_UNANSWERED = 6;
const SWEEP_MS = 2000;

/** All connections of the agent, with what is known of those that speak h2c. */
export type Connections = Map<Socket, WatchedSession | undefined>;

/**
 * Destroys, every few seconds, those of `connections` whose peer answers nothing, and ends HTTP/2 sessions that are idle or
 * whose peer has closed the connection, which Node 20 does not notice once it has answered nonsense with GOAWAY. Until
 * `cancel`.
 */
export function sweepConnections(connections: Connections, limits: IdleLimits): Timer {
  let timer = startTimer(SWEEP_MS, sweep);
  function sweep(): void {
    for (const [socket, session] of connections) {
      const { isClosed, unanswered } = askKernel(socket);
      if (unanswered >= MAX_UNANSWERED) socket.destroy();
      session?.noticePeer(isClosed);
      if (session?.hasStoppedReading(socket.bytesRead, waitingBytes(socket)) === true) socket.destroy();
      session?.limitIdle(limits);
    }
    timer = startTimer(SWEEP_MS, sweep);
  }
  return { cancel: () => timer.cancel() };
}
