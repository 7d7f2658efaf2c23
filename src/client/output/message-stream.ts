// One try at a stream of messages, and the detection of silence. The agent is
// asked to send a keepalive at an interval. Silence is measured only while a caller waits for an
// event: without a read, an idle connection looks the same as a busy one.

import { AbortScope, onAbort, untilAbort } from "../abort.ts";
import { ClientError, ReconnectError } from "../client-errors.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { Rpc, RpcOptions } from "../transport/rpc.ts";

/** Opens the stream. */
export type OpenMessages<Message> = (rpc: Rpc, options: RpcOptions) => AsyncIterable<Message>;

/**
 * How long the agent may take to close a finished stream before the client drops its connection.
 */
const FAREWELL_MS = 1000;

export class MessageStream<Message> {
  readonly #link: AgentLink;
  readonly #rpc: Rpc;
  readonly #scope: AbortScope;
  readonly #messages: AsyncIterator<Message>;
  readonly #goawaysBefore: number;

  /** Ends when `signal` aborts, or by `close`. */
  constructor(link: AgentLink, open: OpenMessages<Message>, signal: AbortSignal) {
    const { headers, keepaliveSeconds } = link.settings;
    this.#link = link;
    this.#rpc = link.rpc;
    this.#goawaysBefore = link.goaways;
    this.#scope = new AbortScope(signal);
    const messages = open(this.#rpc, {
      signal: this.#scope.signal,
      headers: { ...headers, "Keepalive-Ping-Interval": String(keepaliveSeconds) },
      timeoutMs: 0,
    });
    this.#messages = messages[Symbol.asyncIterator]();
    const unfollow = link.onReconnect(() => this.#scope.abort(new ReconnectError()));
    // A caller's signal may end the stream, and then no caller closes it: the link must not hold it.
    onAbort(this.#scope.signal, unfollow);
  }

  /**
   * The next message; undefined at the end of the stream. Rejects with the connection's error, and so
   * does every later call.
   */
  async next(): Promise<Message | undefined> {
    const watch = this.#watchSilence();
    try {
      // The transport may ignore the signal, or react late.
      const message = await untilAbort(this.#messages.next(), this.#scope.signal);
      return message.done === true ? undefined : message.value;
    } finally {
      watch.cancel();
    }
  }

  /** Whether an HTTP/2 peer announced the end of a connection since the stream was opened. */
  get sawGoaway(): boolean {
    return this.#link.goaways > this.#goawaysBefore;
  }

  /** Drops the connection if the stream is still open. A second call does nothing. */
  close(): void {
    this.#scope.abort(new ClientError("canceled", "the stream was closed"));
  }

  /**
   * After the end event: lets the stream end by itself, so that its connection can be used again.
   */
  finish(): void {
    const close = () => this.close();
    const timer = this.#link.settings.clock.startTimer(FAREWELL_MS, close);
    this.next()
      .then(close, close)
      .finally(() => timer.cancel());
  }

  /**
   * Waits for two intervals, one after the other. If this program itself was busy for longer than
   * the first, the events that arrived meanwhile are read before the second ends.
   */
  #watchSilence(): { cancel(): void } {
    const { clock, keepaliveSeconds } = this.#link.settings;
    const stepMs = 1000 * keepaliveSeconds;
    let timer = clock.startTimer(stepMs, () => {
      timer = clock.startTimer(stepMs, () => {
        this.#link.abandon(this.#rpc);
        const message = `the agent was silent for ${2 * stepMs} ms`;
        this.#scope.abort(new ClientError("unavailable", message));
      });
    });
    return { cancel: () => timer.cancel() };
  }
}
