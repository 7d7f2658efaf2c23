// Finds out about peers that vanished without a word: a host that lost its power or its network sends neither FIN nor RST.
// Below HTTP, so alike for HTTP/1.1, which has no ping, and h2c. Idle connections the kernel checks by itself, once told
// to. Those with bytes on their way it would try for a quarter of an hour; here they are given up sooner. Not by
// TCP_USER_TIMEOUT: since Linux 5.11 that also ends a live peer that merely does not read for as long, and a slow client
// is never cut for being slow.

import type { Server, Socket } from "node:net";
import koffi from "koffi";
import { startTimer, type Timer } from "../process/index.ts";
import type { IdleLimits, WatchedSession } from "./watched-session.ts";

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_INFO = 11;
/** In struct tcp_info, a byte each: the state; what was sent again, and asked, since the peer last answered. */
const STATE_AT = 0;
const RETRANSMITS_AT = 2;
const PROBES_AT = 3;
/** The peer has closed its side, or both have. */
const CLOSED_STATES = new Set([7, 8]);

/** After so long without a sign of life the kernel asks, and asks again this often; unanswered so often, it gives up. */
const IDLE_SECONDS = 15;
const INTERVAL_SECONDS = 5;
const QUESTIONS = 3;
/** Each waits twice as long as the last, from 0.2 s on: six are 13 s on a quick network, a minute on a slow one. */
const MAX_UNANSWERED = 6;
const SWEEP_MS = 2000;

const libc = koffi.load(null);
const setsockopt = libc.func(
  "int setsockopt(int fd, int level, int option, const int *value, unsigned int bytes)",
);
const getsockopt = libc.func(
  "int getsockopt(int fd, int level, int option, void *value, _Inout_ unsigned int *bytes)",
);

/** Linux hands these on from a listening socket to every connection it accepts. Does nothing where there is no TCP. */
export function askIdlePeers(server: Server): void {
  const fd = descriptorOf(server);
  if (fd === undefined) return;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, [1], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, [IDLE_SECONDS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, [INTERVAL_SECONDS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, [QUESTIONS], 4);
}

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
      session?.limitIdle(limits);
    }
    timer = startTimer(SWEEP_MS, sweep);
  }
  return { cancel: () => timer.cancel() };
}

const info = Buffer.alloc(256);

function askKernel(socket: Socket): { readonly isClosed: boolean; readonly unanswered: number } {
  const fd = descriptorOf(socket);
  if (fd === undefined || getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, [info.length]) !== 0)
    return { isClosed: false, unanswered: 0 };
  return {
    isClosed: CLOSED_STATES.has(info.readUInt8(STATE_AT)),
    unanswered: Math.max(info.readUInt8(RETRANSMITS_AT), info.readUInt8(PROBES_AT)),
  };
}

/** Node tells it on the handle only; a socket that is closed, or no TCP socket, has none. */
function descriptorOf(socket: Server | Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
