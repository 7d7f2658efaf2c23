// An HTTP/2 connection to the agent, made when it is needed and again after it was lost. It
// replaces Connect-Node's own manager (2.1.2), which ends the program if it is aborted just as its
// ping times out: the connection's error then has no listener.

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect as connectSocket } from "node:net";

export interface Http2SessionOptions {
  readonly onGoaway?: () => void;
  /** A Unix socket to connect to instead of the URL's host. */
  readonly socketPath?: string | undefined;
  readonly tls?: { readonly ca?: string | Buffer };
}

/** The interface that Connect-Node requires of a session manager. */
export class Http2Session {
  /** The origin of all requests. */
  readonly authority: string;
  readonly #keepaliveMs: number;
  readonly #options: Http2SessionOptions;
  #connection: PingedConnection | undefined;

  /**
   * While streams are open, a ping is sent every `keepaliveMs`. The connection is dropped when two
   * intervals bring no answer. After two intervals without a stream it is closed, because its state
   * is then unknown.
   */
  constructor(url: string, keepaliveMs: number, options: Http2SessionOptions = {}) {
    this.#options = options;
    this.authority = new URL(url).origin;
    this.#keepaliveMs = keepaliveMs;
  }

  async request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    if (this.#connection === undefined || !this.#connection.isUsable)
      this.#connection = new PingedConnection(this.#connect(), this.#keepaliveMs);
    return this.#connection.request({ ...headers, ":method": method, ":path": path });
  }

  #connect(): ClientHttp2Session {
    const { onGoaway, socketPath, tls } = this.#options;
    const place = socketPath === undefined ? {} : { createConnection: () => connectSocket(socketPath) };
    const session = connect(this.authority, { ...tls, ...place });
    return onGoaway === undefined ? session : session.once("goaway", onGoaway);
  }

  /** Connect-Node's manager takes it for a sign of life; this one relies on pings. */
  notifyResponseByteRead(): void {
    // See above.
  }

  /** The next request makes another connection. This one ends with its open streams, which may be intact. */
  retire(): void {
    this.#connection?.retire();
    this.#connection = undefined;
  }

  /** Drops the connection and fails its open streams. The next request makes another. */
  abort(): void {
    this.#connection?.abort();
    this.#connection = undefined;
  }
}

/** Keeps the program running only while a stream is open. */
class PingedConnection {
  readonly #session: ClientHttp2Session;
  readonly #pings: NodeJS.Timeout;
  #openStreams = 0;
  /** Whether no stream has been open since the last interval. */
  #idle = false;
  /** How many intervals ago the unanswered ping was sent. */
  #intervalsWaited = 0;

  constructor(session: ClientHttp2Session, keepaliveMs: number) {
    this.#session = session;
    this.#pings = setInterval(() => this.#check(keepaliveMs), keepaliveMs).unref();
    session.once("close", () => clearInterval(this.#pings));
    session.on("error", () => {
      // Every open stream fails with the same error.
    });
  }

  get isUsable(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  /** Node queues the request until the connection is established or has failed. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#session.request(headers);
    this.#idle = false;
    if (++this.#openStreams === 1) this.#session.ref();
    stream.once("close", () => {
      if (--this.#openStreams === 0) this.#session.unref();
    });
    return stream;
  }

  retire(): void {
    // A request that was made in this turn is sent in the next one. GOAWAY would overtake it, and the agent would refuse it.
    setImmediate(() => setImmediate(() => this.#session.close()));
  }

  abort(): void {
    this.#session.destroy(undefined, constants.NGHTTP2_CANCEL);
  }

  /** Also while the connection only waits for the end of its streams. */
  #check(keepaliveMs: number): void {
    if (this.#session.connecting || this.#session.destroyed) return;
    if (this.#openStreams > 0) this.#ping(keepaliveMs);
    else if (this.#idle) this.#session.close();
    else this.#idle = true;
  }

  /**
   * The connection survives the first interval without an answer: if this program itself was busy
   * for that long, the answer has arrived and is not read yet.
   */
  #ping(keepaliveMs: number): void {
    if (this.#intervalsWaited === 2) {
      this.#session.destroy(new Error(`no answer to a ping for ${2 * keepaliveMs} ms`));
      return;
    }
    if (++this.#intervalsWaited > 1) return;
    this.#session.ping((error) => {
      if (error === null) this.#intervalsWaited = 0;
    });
  }
}
