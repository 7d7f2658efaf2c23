// Whether the peer of one HTTP/2 stream accepts output. The kernel knows connections, and Node does not
// report a stream's flow-control window. So:
//
//   one stream on the connection      what the kernel and the connection's window say is that stream's
//   several streams, or other calls   only the stream's own writes count; they are split into pieces
//                                     that even a slow client accepts within the stall timeout

import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { peerProgress } from "../../linux/index.ts";

/** Acknowledged bytes between two checks that may be answers to pings and settings. */
const CONTROL_BYTES = 128;

/** Shared by the streams of one connection. */
class SessionActivity {
  /** Output streams that are open. */
  outputs = 0;
  /** Streams opened so far, of any kind. */
  opened = 0;

  constructor(session: Http2Session) {
    session.on("stream", () => this.opened++);
  }
}

const activities = new WeakMap<Http2Session, SessionActivity>();

export class SessionProgress {
  readonly #session: Http2Session;
  readonly #activity: SessionActivity;
  #opened: number;
  #acknowledgedBytes = 0;
  #windowBytes: number | undefined;
  #wasAlone = true;
  #steps = 0;

  constructor(session: Http2Session) {
    this.#session = session;
    const activity = activities.get(session) ?? new SessionActivity(session);
    activities.set(session, activity);
    activity.outputs++;
    this.#activity = activity;
    this.#opened = activity.opened;
  }

  /** Whether another output stream is open on the connection. */
  get isShared(): boolean {
    return this.#activity.outputs > 1;
  }

  /** A write, or a piece of one, was accepted. */
  onPieceAccepted(): void {
    this.#steps++;
  }

  /** A number that grows while the peer accepts this stream's output. Call it at intervals. */
  check(): number {
    const { outputs, opened } = this.#activity;
    const isAlone = outputs === 1 && opened === this.#opened;
    this.#opened = opened;
    if (this.#session.destroyed) return this.#steps;
    const acknowledgedBytes = peerProgress(socketOf(this.#session));
    const windowBytes = this.#session.state.remoteWindowSize;
    const moved = Math.abs(acknowledgedBytes - this.#acknowledgedBytes);
    if (isAlone && this.#wasAlone && (moved > CONTROL_BYTES || windowBytes !== this.#windowBytes))
      this.#steps++;
    this.#wasAlone = isAlone;
    this.#acknowledgedBytes = acknowledgedBytes;
    this.#windowBytes = windowBytes;
    return this.#steps;
  }

  /** The stream is closed. */
  close(): void {
    this.#activity.outputs--;
  }
}

/** Node's proxy around the socket passes unknown properties through. */
function socketOf(session: Http2Session): Socket {
  return session.socket as Socket;
}
