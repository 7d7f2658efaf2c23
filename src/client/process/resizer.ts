// Sets the size of one process's terminal. A window that is dragged changes faster than a distant
// agent answers: one size is in flight at a time, and of the sizes that wait only the newest is
// sent.

import { toUpdateMessage } from "../messages.ts";
import { callWithRetries } from "../retry/retried-call.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { Init } from "../transport/message-codec.ts";
import type { PtySize } from "../types.ts";

export class Resizer {
  readonly #link: AgentLink;
  readonly #processId: string;
  readonly #signals: readonly (AbortSignal | undefined)[];
  #waiting: Init<"process.UpdateRequest"> | undefined;
  #sending: Promise<void> | undefined;

  /** Each of `signals` ends all resizes. */
  constructor(link: AgentLink, processId: string, signals: readonly (AbortSignal | undefined)[]) {
    this.#link = link;
    this.#processId = processId;
    this.#signals = signals;
  }

  /** Resolves when this size or a newer one is set. */
  async resize(size: PtySize): Promise<void> {
    // An invalid size fails here, before it can fail another caller's resize.
    this.#waiting = toUpdateMessage(this.#processId, size);
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    for (let message = this.#waiting; message !== undefined; message = this.#waiting) {
      const newest = message;
      this.#waiting = undefined;
      await callWithRetries(this.#link, {
        send: (rpc, options) => rpc.update(newest, options),
        signals: this.#signals,
        patienceMs: this.#link.settings.callRetryMs,
      });
    }
  }
}
