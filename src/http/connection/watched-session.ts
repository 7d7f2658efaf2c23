// How long an HTTP/2 connection has been without a stream: Node limits idle connections of HTTP/1.1 only.

import type { ServerHttp2Session } from "node:http2";
import type { WaitingBytes } from "../../linux/index.ts";

const MAX_STILL_SWEEPS = 2;

export interface IdleLimits {
  /** For one that has not opened any stream yet. */
  readonly headersMs: number;
  readonly idleMs: number;
}

export class WatchedSession {
  readonly #session: ServerHttp2Session;
  #streams = 0;
  #isNew = true;
  #idleSinceMs = performance.now();
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
        this.#idleSinceMs = performance.now();
      });
    });
  }

  /** Ends the session if it was idle for too long. */
  limitIdle({ headersMs, idleMs }: IdleLimits): void {
    const forMs = this.#streams > 0 ? 0 : performance.now() - this.#idleSinceMs;
    if (forMs < (this.#isNew ? headersMs : idleMs)) return;
    if (this.#isNew) this.#session.destroy();
    else this.#session.close();
  }

  /** To be told at every sweep: closed a moment ago, a session may still have something to read; at the next it ends. */
  noticePeer(isClosed: boolean): void {
    if (isClosed && this.#wasClosedByPeer) this.#session.destroy();
    this.#wasClosedByPeer = isClosed;
  }

  /**
   * To be told at every sweep how much was read so far, and what waits in the kernel. Whether the session reads no more, though
   * there is something to read and nothing to write: so does Node (20.20) leave one that it has ended for its flood of
   * resets, and never closes it. Not at once: after the whole agent stood still, anyone's bytes wait.
   */
  hasStoppedReading(bytesRead: number, { unread, unsent }: WaitingBytes): boolean {
    const isStill = unread > 0 && unsent === 0 && bytesRead === this.#bytesRead;
    this.#stillSweeps = isStill ? this.#stillSweeps + 1 : 0;
    this.#bytesRead = bytesRead;
    return this.#stillSweeps >= MAX_STILL_SWEEPS;
  }
}
