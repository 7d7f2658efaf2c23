// Bounds the time in which one turn of the event loop reads requests of HTTP/1.1 (rule 15). In one turn, libuv reads up to 64 KiB
// from each connection that has sent something. They can be a thousand requests, or ten thousand pieces of a body, and a
// hundred such connections would stop the agent for seconds. So when a turn has read for long, all connections are held, and the
// next turns read a few of them each, and more of those that have taken little time lately. (The one that is read is held too:
// libuv reads it up to 32 times in a turn.)

import type { Socket } from "node:net";

/** When a turn has read for so long, all connections are held. */
export const MAX_TURN_MS = 20;
/** Half as many connections are released in the first turn after that; then twice as many after a short turn, half after a long one. */
const FIRST_BATCH = 8;
/** A connection that has taken less than this lately is quiet. One that was not read yet is not. */
const QUIET_MS = 2;
const UNKNOWN_MS = Number.POSITIVE_INFINITY;
/** So many quiet ones are released in each turn in addition. */
const QUIET_BATCH = 32;
/** The half-life of what a connection has taken. */
const HALF_LIFE_MS = 1000;

/** A connection, as far as this file needs it. */
export type Held = Pick<Socket, "isPaused" | "pause" | "resume" | "destroyed"> & {
  once(event: "close", listener: () => void): unknown;
};

/** Node's own parts of a connection. */
interface NodeParts {
  /**
   * Node does not read such a connection, even if a handler asks for more of a body, and does not parse it. It sets this itself
   * while answers wait to be sent.
   */
  _paused?: boolean;
  readonly parser?: { resume(): void } | null;
}

interface Taken {
  ms: number;
  /** The time of that value. */
  atMs: number;
}

interface Waiting {
  readonly connection: Held;
  readonly release: () => void;
}

export interface ReadTurnsOptions {
  readonly nowMs?: () => number;
  /** Calls back in the next turn. */
  readonly nextTurn?: (callback: () => void) => void;
  /** Whether a handler has yet to take what has arrived of a body. */
  readonly isBodyFull?: (connection: Held) => boolean;
}

export class ReadTurns {
  readonly #taken = new Map<Held, Taken>();
  /** Those that wait, in the order in which they are released. */
  readonly #quiet: Waiting[] = [];
  readonly #busy: Waiting[] = [];
  /** Those in both queues that are held. Node itself can release one: see `#resume`. */
  readonly #held = new Set<Held>();
  /** Those that were released last: they are held again only when they are read. */
  #released = new Set<Held>();
  #batch = FIRST_BATCH;
  /** When something was last read in this turn, and from which connection. */
  #readAtMs: number | undefined;
  #reading: Held | undefined;
  #turnMs = 0;
  /** Whether the end of the turn is to come. */
  #isAwaited = false;
  readonly #nowMs: () => number;
  readonly #nextTurn: (callback: () => void) => void;
  readonly #isBodyFull: (connection: Held) => boolean;

  constructor(options: ReadTurnsOptions = {}) {
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#nextTurn = options.nextTurn ?? setImmediate;
    this.#isBodyFull = options.isBodyFull ?? (() => false);
  }

  /** Calls `begin`, from which on Node's server reads `connection`: now, or in one of the next turns if this one has read for long. */
  add(connection: Held, begin: () => void): void {
    const beginNow = () => {
      this.#taken.set(connection, { ms: UNKNOWN_MS, atMs: this.#nowMs() });
      connection.once("close", () => this.#taken.delete(connection));
      begin();
    };
    if (this.#isLong) {
      // Without a reader, what arrives on one that flows is lost.
      connection.pause();
      this.#busy.push({ connection, release: beginNow });
    } else beginNow();
  }

  /** Whether `connection` waits, and nothing of it is read. */
  isHeld(connection: Held): boolean {
    return this.#held.has(connection);
  }

  /** To be called when a request, or a piece of a body, has been read from `connection`. */
  noteRead(connection: Held): void {
    const nowMs = this.#nowMs();
    const taken = this.#taken.get(connection);
    if (taken?.ms === UNKNOWN_MS) taken.ms = 0;
    const wasReading = this.#reading === connection;
    this.#reading = connection;
    if (this.#readAtMs === undefined) {
      // How long the first one took is not known.
      this.#readAtMs = nowMs;
      this.#awaitEnd();
      return;
    }
    const tookMs = nowMs - this.#readAtMs;
    this.#readAtMs = nowMs;
    // The time between two connections can be that of anything.
    if (taken !== undefined && wasReading) {
      taken.ms = recentMs(taken, nowMs) + tookMs;
      taken.atMs = nowMs;
    }
    const wasLong = this.#isLong;
    this.#turnMs += tookMs;
    if (!this.#isLong) return;
    if (!wasLong) this.#holdAll(nowMs);
    else if (taken !== undefined) this.#hold(connection, taken, nowMs);
  }

  get #isLong(): boolean {
    return this.#turnMs >= MAX_TURN_MS;
  }

  #holdAll(nowMs: number): void {
    for (const [connection, taken] of this.#taken) {
      if (connection === this.#reading || !this.#released.has(connection))
        this.#hold(connection, taken, nowMs);
    }
  }

  #hold(connection: Held, taken: Taken, nowMs: number): void {
    if (!hold(connection) || this.#held.has(connection)) return;
    this.#held.add(connection);
    const queue = recentMs(taken, nowMs) < QUIET_MS ? this.#quiet : this.#busy;
    queue.push({ connection, release: () => this.#resume(connection) });
  }

  /** As Node does it when answers are sent. Then Node may have released the connection before. */
  #resume(connection: Held & NodeParts): void {
    this.#held.delete(connection);
    connection._paused = false;
    connection.parser?.resume();
    // Otherwise Node resumes it when the handler takes more.
    if (!this.#isBodyFull(connection)) connection.resume();
  }

  #awaitEnd(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.#nextTurn(() => {
      this.#isAwaited = false;
      this.#endTurn();
    });
  }

  #endTurn(): void {
    this.#batch = this.#isLong ? Math.max(1, this.#batch >> 1) : 2 * this.#batch;
    this.#readAtMs = undefined;
    this.#reading = undefined;
    this.#turnMs = 0;
    const released = [...this.#quiet.splice(0, QUIET_BATCH), ...this.#busy.splice(0, this.#batch)];
    this.#released = new Set(released.map(({ connection }) => connection));
    // What was released is read before the end of the next turn.
    if (released.length > 0) this.#awaitEnd();
    else this.#batch = FIRST_BATCH;
    for (const { connection, release } of released) {
      if (connection.destroyed) this.#held.delete(connection);
      else release();
    }
  }
}

/** Returns false for one that is paused already: Node does that while a handler does not take a body. */
function hold(connection: Held & NodeParts): boolean {
  if (connection.destroyed || connection.isPaused() || connection._paused === true) return false;
  connection._paused = true;
  connection.pause();
  return true;
}

/** What reading took lately. */
function recentMs({ ms, atMs }: Taken, nowMs: number): number {
  return ms * 0.5 ** ((nowMs - atMs) / HALF_LIFE_MS);
}
