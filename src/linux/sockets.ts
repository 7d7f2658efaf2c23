// Properties of sockets that Node neither reads nor sets, by system calls on their descriptors. On
// sockets that are not TCP the TCP part does nothing.

import type { Server, Socket } from "node:net";
import { FIONREAD, ioctlNumber, libc, poll } from "./libc.ts";

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const AF_UNIX = 1;
const TIOCOUTQ = 0x5411;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_INFO = 11;
const TCP_NOTSENT_LOWAT = 25;
/**
 * One byte each in struct tcp_info: the state; retransmissions and probes since the last answer of
 * the peer.
 */
const STATE_AT = 0;
const RETRANSMITS_AT = 2;
const PROBES_AT = 3;
/** Eight bytes: the bytes that the peer has acknowledged. */
const ACKNOWLEDGED_AT = 120;
/** The peer has closed its side, or both sides have. */
const CLOSED_STATES = new Set([7, 8]);

/**
 * The kernel probes a peer after this silence, repeats the probe at this interval, and gives up
 * after so many.
 */
const IDLE_SECONDS = 15;
const INTERVAL_SECONDS = 5;
const QUESTIONS = 3;

/**
 * How many unsent bytes the kernel accepts for a connection, in addition to those in flight
 * (default: up to 4 MB). They count as delivered and are lost when the connection breaks, so this
 * must be well below `replay_bytes`, or a client that reconnects finds a gap. Half of it costs a
 * tenth of the throughput of JSON over loopback.
 */
const UNSENT_BYTES = 256 * 1024;

const setsockopt = libc.func(
  "int setsockopt(int fd, int level, int option, const int *value, unsigned int bytes)",
);
const getsockopt = libc.func(
  "int getsockopt(int fd, int level, int option, void *value, _Inout_ unsigned int *bytes)",
);

/**
 * For every connection that `server` accepts: Linux copies these options from the listening socket.
 */
export function prepareConnections(server: Server): void {
  const fd = descriptorOf(server);
  if (fd === undefined) return;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, [1], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, [IDLE_SECONDS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, [INTERVAL_SECONDS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, [QUESTIONS], 4);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, [UNSENT_BYTES], 4);
}

/** Undefined if `fd` is not a socket. */
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
  /** The peer has closed its side. */
  readonly isClosed: boolean;
  /** How often in a row the peer has not answered. */
  readonly unanswered: number;
  /** How many bytes the peer has acknowledged since the connection was opened. */
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

/** struct pollfd: the descriptor, the events asked for and those that there are. */
const pollEntry = Buffer.alloc(8);
const POLL_EVENTS_AT = 4;
const POLL_RETURNED_AT = 6;
const POLLERR = 0x8;
const POLLHUP = 0x10;
const POLLRDHUP = 0x2000;

/** Whether the peer has closed its side, of TCP and of Unix sockets, even if bytes that it sent before are not read. */
export function hasPeerClosed(socket: Socket): boolean {
  const fd = descriptorOf(socket);
  if (fd === undefined) return false;
  pollEntry.writeInt32LE(fd);
  pollEntry.writeInt16LE(POLLRDHUP, POLL_EVENTS_AT);
  pollEntry.writeInt16LE(0, POLL_RETURNED_AT);
  if (poll(pollEntry, 1, 0) < 1) return false;
  return (pollEntry.readInt16LE(POLL_RETURNED_AT) & (POLLERR | POLLHUP | POLLRDHUP)) !== 0;
}

/**
 * A number that changes while the peer accepts bytes that were written to `socket`. Over TCP, the
 * bytes that the peer has acknowledged. Over a Unix socket, the bytes that the peer has read; the
 * kernel counts them when a whole buffer of it, at most 48 KiB, is read.
 */
export function peerProgress(socket: Socket): number {
  const { acknowledgedBytes } = askKernel(socket);
  if (acknowledgedBytes > 0) return acknowledgedBytes;
  return (acceptedBytes(socket) ?? 0) - waitingBytes(socket).unsent;
}

/**
 * How many of the bytes that were written to `socket` the kernel has accepted; undefined for a
 * closed one.
 */
function acceptedBytes(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  return numberOf(handle, "bytesWritten") - numberOf(handle, "writeQueueSize");
}

function numberOf(handle: object, name: string): number {
  const value: unknown = Reflect.get(handle, name);
  return typeof value === "number" ? value : 0;
}

export interface WaitingBytes {
  /** Received by the kernel and not read by the agent. */
  readonly unread: number;
  /** Accepted by the kernel and not acknowledged by the peer. */
  readonly unsent: number;
}

export function waitingBytes(socket: Socket): WaitingBytes {
  const fd = descriptorOf(socket);
  return fd === undefined
    ? { unread: 0, unsent: 0 }
    : { unread: ioctlNumber(fd, FIONREAD) ?? 0, unsent: ioctlNumber(fd, TIOCOUTQ) ?? 0 };
}

/** Node keeps it on the handle only; a closed socket has none. */
export function descriptorOf(socket: Server | Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
