// One try at a Start or Connect stream: its events as they come, and the news that it went silent. The agent is asked for
// a sign of life at an interval; silence is measured only while somebody waits for an event, because whoever does not read
// cannot know.

import type { ProcessEvent } from "../gen/process_pb.ts";
import { AbortScope, untilAbort } from "./abort.ts";
import type { AgentLink, Rpc } from "./connection.ts";
import { ClientError } from "./errors.ts";
import type { RpcOptions } from "./retried-call.ts";

/** StartResponse and ConnectResponse look the same. */
interface Message {
  readonly event?: ProcessEvent | undefined;
}

/** Opens the stream. */
export type OpenStream = (rpc: Rpc, options: RpcOptions) => AsyncIterable<Message>;

/** How long a stream that is done may take to say so before its connection is given up. */
const FAREWELL_MS = 1000;

export class EventStream {
  readonly #link: AgentLink;
  readonly #rpc: Rpc;
  readonly #scope: AbortScope;
  readonly #messages: AsyncIterator<Message>;

  /** Ends when `signal` aborts, or by `close`. */
  constructor(link: AgentLink, open: OpenStream, signal: AbortSignal) {
    const { headers, keepaliveSeconds } = link.settings;
    this.#link = link;
    this.#rpc = link.rpc;
    this.#scope = new AbortScope(signal);
    const messages = open(this.#rpc, {
      signal: this.#scope.signal,
      headers: { ...headers, "Keepalive-Ping-Interval": String(keepaliveSeconds) },
      timeoutMs: 0,
    });
    this.#messages = messages[Symbol.asyncIterator]();
  }

  /** The next event; undefined at the stream's end. Rejects with whatever the connection failed with, then for ever. */
  async next(): Promise<ProcessEvent["event"] | undefined> {
    const watch = this.#watchSilence();
    try {
      // The transport may be slow to notice the signal, or broken.
      const message = await untilAbort(this.#messages.next(), this.#scope.signal);
      return message.done === true ? undefined : (message.value.event?.event ?? { case: undefined });
    } finally {
      watch.cancel();
    }
  }

  /** Drops the connection, unless it is over. A second call does nothing. */
  close(): void {
    this.#scope.abort(new ClientError("canceled", "the stream was closed"));
    this.#scope.release();
  }

  /** After the end event: lets the stream end by itself, so that its connection can be used again. */
  finish(): void {
    const close = () => this.close();
    const timer = this.#link.settings.clock.startTimer(FAREWELL_MS, close);
    this.next()
      .then(close, close)
      .finally(() => timer.cancel());
  }

  /**
   * In two steps of one interval each: where this program itself was busy for longer than the first, what came meanwhile
   * is read before the second is over.
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
