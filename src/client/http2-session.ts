// An HTTP/2 connection to the agent, made when it is needed and again when it is gone. Instead of Connect-Node's own
// manager (2.1.2), which ends the program when it is told to abort just as its ping times out: nobody listens to the
// connection's error then.

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2";

/** What Connect-Node asks of a session manager. */
export class Http2Session {
  /** The only origin whose requests come here. */
  readonly authority: string;
  readonly #keepaliveMs: number;
  #connection: PingedConnection | undefined;

  /**
   * While streams are open, the connection is asked every `keepaliveMs`, and dropped when it answers nothing for two. After
   * two without a stream it is closed: who knows what became of it.
   */
  constructor(url: string, keepaliveMs: number) {
    this.authority = new URL(url).origin;
    this.#keepaliveMs = keepaliveMs;
  }

  async request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    if (this.#connection === undefined || !this.#connection.isUsable)
      this.#connection = new PingedConnection(connect(this.authority), this.#keepaliveMs);
    return this.#connection.request({ ...headers, ":method": method, ":path": path });
  }

  /** Connect-Node's manager takes it for a sign of life; here the pings tell. */
  notifyResponseByteRead(): void {
    // See above.
  }

  /** Drops the connection and fails what is open on it. The next request makes another. */
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
  /** Whether no stream was open an interval ago, nor since. */
  #idle = false;
  /** How many intervals ago the ping was sent that has no answer yet. */
  #intervalsWaited = 0;

  constructor(session: ClientHttp2Session, keepaliveMs: number) {
    this.#session = session;
    this.#pings = setInterval(() => this.#check(keepaliveMs), keepaliveMs).unref();
    session.once("close", () => clearInterval(this.#pings));
    session.on("error", () => {
      // Every stream fails with it, too.
    });
  }

  get isUsable(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  /** Node keeps it until the connection is there, or fails it. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#session.request(headers);
    this.#idle = false;
    if (++this.#openStreams === 1) this.#session.ref();
    stream.once("close", () => {
      if (--this.#openStreams === 0) this.#session.unref();
    });
    return stream;
  }

  abort(): void {
    this.#session.destroy(undefined, constants.NGHTTP2_CANCEL);
  }

  #check(keepaliveMs: number): void {
    if (this.#session.connecting || !this.isUsable) return;
    if (this.#openStreams > 0) this.#ping(keepaliveMs);
    else if (this.#idle) this.#session.close();
    else this.#idle = true;
  }

  /**
   * Not dropped at the first interval without an answer: where this program itself was busy for so long, the answer is there
   * and not yet read.
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
