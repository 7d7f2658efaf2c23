// What Node does not tell of TCP sockets, and does not set on them: by system calls on their descriptors. All of it does
// nothing where there is no TCP.

import type { Server, Socket } from "node:net";
import koffi from "koffi";

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const AF_UNIX = 1;
const FIONREAD = 0x541b;
const TIOCOUTQ = 0x5411;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_INFO = 11;
const TCP_NOTSENT_LOWAT = 25;
/** In struct tcp_info, a byte each: the state; what was sent again, and asked, since the peer last answered. */
const STATE_AT = 0;
const RETRANSMITS_AT = 2;
const PROBES_AT = 3;
/** Eight bytes: how much the peer has acknowledged. */
const ACKNOWLEDGED_AT = 120;
/** The peer has closed its side, or both have. */
const CLOSED_STATES = new Set([7, 8]);

/** After so long without a sign of life the kernel asks, and asks again this often; unanswered so often, it gives up. */
const IDLE_SECONDS = 15;
const INTERVAL_SECONDS = 5;
const QUESTIONS = 3;

/**
 * What the kernel takes of a connection beyond what is under way to the peer; it would else take up to 4 MB. All of it
 * counts as delivered and is lost when the connection breaks, so it must be well below what replay holds, or a client that
 * comes back finds a gap. Half of it costs a tenth of the throughput of JSON over loopback.
 */
const UNSENT_BYTES = 256 * 1024;

const libc = koffi.load(null);
const setsockopt = libc.func(
  "int setsockopt(int fd, int level, int option, const int *value, unsigned int bytes)",
);
const ioctl = libc.func("int ioctl(int fd, unsigned long request, _Out_ int *value)");
const getsockopt = libc.func(
  "int getsockopt(int fd, int level, int option, void *value, _Inout_ unsigned int *bytes)",
);

/** For every connection that `server` will accept: Linux hands these on from the listening socket. */
export function prepareConnections(server: Server): void {
  const fd = descriptorOf(server);
  if (fd === undefined) return;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, [1], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, [IDLE_SECONDS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, [INTERVAL_SECONDS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, [QUESTIONS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, [UNSENT_BYTES], 4);
}

/** Undefined for what is no socket at all. */
export function describeSocket(
  fd: number,
): { readonly isListening: boolean; readonly family: "unix" | "internet" } | undefined {
  const domain = socketOption(fd, SO_DOMAIN);
  if (domain === undefined) return undefined;
  return {
    isListening: socketOption(fd, SO_ACCEPTCONN) === 1,
    family: domain === AF_UNIX ? "unix" : "internet",
  };
}

function socketOption(fd: number, option: number): number | undefined {
  const value = Buffer.alloc(4);
  return getsockopt(fd, SOL_SOCKET, option, value, [4]) === 0 ? value.readInt32LE() : undefined;
}

const info = Buffer.alloc(256);

export interface PeerState {
  /** It has closed its side. */
  readonly isClosed: boolean;
  /** How often in a row it has not answered. */
  readonly unanswered: number;
  /** How much it has accepted since the connection began. */
  readonly acknowledgedBytes: number;
}

export function askKernel(socket: Socket): PeerState {
  const fd = descriptorOf(socket);
  if (fd === undefined || getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, [info.length]) !== 0)
    return { isClosed: false, unanswered: 0, acknowledgedBytes: 0 };
  return {
    acknowledgedBytes: Number(info.readBigUInt64LE(ACKNOWLEDGED_AT)),
    isClosed: CLOSED_STATES.has(info.readUInt8(STATE_AT)),
    unanswered: Math.max(info.readUInt8(RETRANSMITS_AT), info.readUInt8(PROBES_AT)),
  };
}

export interface WaitingBytes {
  /** Came, and nobody has read them. */
  readonly unread: number;
  /** Taken by the kernel, and the peer has not said that it has them. */
  readonly unsent: number;
}

export function waitingBytes(socket: Socket): WaitingBytes {
  const fd = descriptorOf(socket);
  return fd === undefined
    ? { unread: 0, unsent: 0 }
    : { unread: ask(fd, FIONREAD), unsent: ask(fd, TIOCOUTQ) };
}

function ask(fd: number, request: number): number {
  const value: [number] = [0];
  return ioctl(fd, request, value) === 0 ? value[0] : 0;
}

/** Node tells it on the handle only; a socket that is closed has none. */
function descriptorOf(socket: Server | Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
