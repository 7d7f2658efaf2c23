// A periodic check of all connections. It ends those whose peer vanished or closed them while they were not read, and
// HTTP/2 sessions that are idle or that Node left hanging.
//
// A host that loses its power or its network sends neither FIN nor RST. The kernel probes idle
// connections by itself (keep-alive). It retries unacknowledged bytes for a quarter of an hour; the
// sweep gives up sooner, below HTTP and so alike for HTTP/1.1 and HTTP/2. TCP_USER_TIMEOUT is not an
// option: since Linux 5.11 it also ends a live peer that reads nothing for that long.

import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { realClock, startTimer, type Timer } from "../../clock.ts";
import { askKernel, type WaitingBytes, waitingBytes } from "../../linux/index.ts";
import { AbandonedBodies } from "./abandoned-bodies.ts";

/** Each retry waits twice as long as the one before, from 0.2 s on: 13 s for six on a quick network, a minute on a slow one. */
const MAX_UNANSWERED_RETRIES = 6;
const SWEEP_MS = 2000;
/** While nothing is asked on any connection, and nothing is under way to a client. */
const STILL_SWEEP_MS = 10_000;
/** A timer may fire so much too early. */
const EARLY_MS = 1;
const MAX_STILL_SWEEPS = 2;

/** All connections of the agent by their plain sockets; the value is defined for HTTP/2. */
export type Connections = Map<Socket, WatchedSession | undefined>;

export interface IdleLimits {
  /** For a session that has not opened a stream yet. */
  readonly headersMs: number;
  readonly idleMs: number;
}

export interface Sweep {
  /** Call it for each new connection that is in `connections` until it closes. */
  watch(socket: Socket): void;
  /** Call it for each request. */
  hurry(): void;
  stop(): void;
}

/**
 * Checks `connections` every few seconds, and calls `checkTimes` at least as often as the limits are long. Its timer ends
 * with the last connection, and connections on which nothing is asked cost one wake-up in ten seconds (rule 19).
 * `isSilent` says whether nothing is asked on a connection of HTTP/1.1.
 */
export function createSweep(
  connections: Connections,
  limits: IdleLimits,
  checkTimes: () => void,
  isSilent: (socket: Socket) => boolean,
): Sweep {
  const bodies = new AbandonedBodies();
  const stepMs = Math.min(SWEEP_MS, limits.headersMs, limits.idleMs);
  const stillStepMs = Math.min(STILL_SWEEP_MS, limits.headersMs, limits.idleMs);
  let timer: Timer | undefined;
  let sweepAtMs = 0;
  let isStill = false;
  const start = (): void => {
    // Without a pulse in between, which would wake the agent up as often.
    timer = isStill ? startTimer(stillStepMs, onStep, stillStepMs) : startTimer(stepMs, onStep);
  };
  const hurry = (): void => {
    if (timer !== undefined && !isStill) return;
    timer?.cancel();
    isStill = false;
    sweepAtMs = realClock.nowMs() + SWEEP_MS;
    start();
  };
  function onStep(): void {
    timer = undefined;
    checkTimes();
    if (realClock.nowMs() >= sweepAtMs - EARLY_MS) sweep();
    if (connections.size > 0) start();
  }
  function sweep(): void {
    sweepAtMs = realClock.nowMs() + SWEEP_MS;
    isStill = true;
    for (const [socket, session] of connections) {
      const { isClosed, unanswered } = askKernel(socket);
      if (unanswered >= MAX_UNANSWERED_RETRIES) socket.destroy();
      if (unanswered > 0 || !(session?.isSilent(socket.bytesRead) ?? isSilent(socket))) isStill = false;
      if (session === undefined && bodies.isAbandoned(socket)) socket.destroy();
      session?.sweepPeer(isClosed);
      if (session?.hasStoppedReading(socket.bytesRead, waitingBytes(socket)) === true) socket.destroy();
      session?.sweepIdle(limits);
    }
  }
  const stop = (): void => {
    timer?.cancel();
    timer = undefined;
  };
  return {
    watch: (socket) => {
      hurry();
      socket.once("close", () => {
        if (connections.size === 0) stop();
      });
    },
    hurry,
    stop,
  };
}

/** The memory of the sweep about one HTTP/2 session. Node does not limit idle ones. */
export class WatchedSession {
  readonly #session: ServerHttp2Session;
  #streams = 0;
  #isNew = true;
  #idleSinceMs = realClock.nowMs();
  #wasClosedByPeer = false;
  #bytesRead = -1;
  #stillSweeps = 0;

  constructor(session: ServerHttp2Session) {
    this.#session = session;
    session.on("stream", (stream) => {
      this.#isNew = false;
      this.#streams++;
      stream.once("close", () => {
        this.#streams--;
        this.#idleSinceMs = realClock.nowMs();
      });
    });
  }

  /** Call it before `hasStoppedReading`. Whether nothing is asked, and nothing has arrived since the sweep before. */
  isSilent(bytesRead: number): boolean {
    return this.#streams === 0 && !this.#isNew && bytesRead === this.#bytesRead && !this.#wasClosedByPeer;
  }

  /** Sends GOAWAY and ends the session after its last open stream. */
  finish(): void {
    this.#session.close();
  }

  /** Ends a session that has been idle for too long. */
  sweepIdle({ headersMs, idleMs }: IdleLimits): void {
    const forMs = this.#streams > 0 ? 0 : realClock.nowMs() - this.#idleSinceMs;
    if (forMs < (this.#isNew ? headersMs : idleMs)) return;
    if (this.#isNew) this.#session.destroy();
    else this.finish();
  }

  /**
   * Call it at every sweep. A session whose peer has just closed may still have bytes to read, so it ends
   * at the second sweep. Node 20 does not end it after it answered a protocol error with GOAWAY.
   */
  sweepPeer(isClosed: boolean): void {
    if (isClosed && this.#wasClosedByPeer) this.#session.destroy();
    this.#wasClosedByPeer = isClosed;
  }

  /**
   * Call it at every sweep, with the bytes read so far and those that wait in the kernel. True if the
   * session reads nothing although bytes wait, and has nothing to write: Node (20.20) leaves a session in
   * this state, and never closes it, after it ended the session because of a flood of resets. One sweep
   * proves nothing: after a freeze of the whole agent, bytes wait on every connection.
   */
  hasStoppedReading(bytesRead: number, { unread, unsent }: WaitingBytes): boolean {
    const isStill = unread > 0 && unsent === 0 && bytesRead === this.#bytesRead;
    this.#stillSweeps = isStill ? this.#stillSweeps + 1 : 0;
    this.#bytesRead = bytesRead;
    return this.#stillSweeps >= MAX_STILL_SWEEPS;
  }
}
