// The iteration over one process's output, and its end. Whoever iterates pulls events one by one; the end, a failure, an
// abort or a detach settles everything once: the iteration and the exit promise always tell the same story.

import { deferred } from "../deferred.ts";
import { AbortScope, onAbort } from "./abort.ts";
import { Attachment, type AttachmentOptions, type Identity } from "./attachment.ts";
import type { AgentLink } from "./connection.ts";
import { ClientError, DetachedError, GapError } from "./errors.ts";
import type { Exit, OutputEvent, ProcessOptions } from "./types.ts";

type Outcome =
  | { readonly kind: "exit"; readonly exit: Exit }
  /** A ClientError, or the reason of the caller's signal. */
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "detached"; readonly error: DetachedError };

export type Opening = Pick<AttachmentOptions, "open" | "resume" | "mayTimeOut">;

export class Output implements AsyncIterableIterator<OutputEvent> {
  /** See RemoteProcess.exit. */
  readonly exit: Promise<Exit>;
  readonly #options: ProcessOptions;
  readonly #scope: AbortScope;
  readonly #attachment: Attachment;
  readonly #settleExit: { resolve(exit: Exit): void; reject(error: unknown): void };
  #offset = 0;
  #outcome: Outcome | undefined;
  /** Resolves when earlier calls of `next` have been answered. Never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(link: AgentLink, opening: Opening, options: ProcessOptions) {
    this.#options = options;
    this.#scope = new AbortScope(link.closed, options.signal);
    this.#attachment = new Attachment(link, {
      ...opening,
      onState: options.onState,
      signal: this.#scope.signal,
    });
    const { promise, ...settleExit } = deferred<Exit>();
    this.exit = promise;
    this.#settleExit = settleExit;
    // Whoever does not ask how it ended need not handle that it failed.
    promise.catch(() => {
      // The iteration fails with it, too.
    });
    // At once, also while nobody iterates.
    onAbort(this.#scope.signal, () => this.#settle(toOutcome(this.#scope.signal.reason)));
  }

  /** Of the next byte `next` will yield. */
  get offset(): number {
    return this.#offset;
  }

  /** What ends calls about this process. The caller's own is among them: after the process's end nothing else follows it. */
  get signals(): readonly (AbortSignal | undefined)[] {
    return [this.#scope.signal, this.#options.signal];
  }

  /** Resolves when attached. To be called first and once. */
  async begin(): Promise<Identity> {
    try {
      const { offset, ...identity } = await this.#attachment.begin();
      this.#offset = offset;
      return identity;
    } catch (error) {
      this.#settle(toOutcome(error));
      throw error;
    }
  }

  /** Calls that overlap are answered in their order. */
  next(): Promise<IteratorResult<OutputEvent>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => {
      // Its caller is told.
    });
    return result;
  }

  /** Leaving a loop keeps the place. */
  async return(): Promise<IteratorResult<OutputEvent>> {
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** After the process's end, too, this fails what is still on its way. */
  detach(): void {
    const error = new DetachedError("detached from the process, which runs on");
    this.#settle({ kind: "detached", error });
    this.#scope.abort(error);
  }

  async #next(): Promise<IteratorResult<OutputEvent>> {
    if (this.#outcome !== undefined) return settled(this.#outcome);
    try {
      const arrival = await this.#attachment.next();
      // Left meanwhile: it was not yielded, and the offset says so.
      if (this.#outcome !== undefined) return settled(this.#outcome);
      if (arrival.kind === "end") return settled(this.#settle({ kind: "exit", exit: arrival.exit }));
      if (arrival.kind === "gap" && this.#options.onGap === "error")
        throw new GapError(arrival.from, arrival.to);
      this.#offset = arrival.kind === "gap" ? arrival.to : arrival.offset + arrival.data.length;
      return { done: false, value: arrival };
    } catch (error) {
      return settled(this.#settle(toOutcome(error)));
    }
  }

  /** Once; later calls return what the first one decided. */
  #settle(outcome: Outcome): Outcome {
    if (this.#outcome !== undefined) return this.#outcome;
    this.#outcome = outcome;
    if (outcome.kind === "exit") {
      this.#settleExit.resolve(outcome.exit);
    } else {
      this.#settleExit.reject(outcome.error);
      this.#scope.abort(outcome.error);
    }
    this.#scope.release();
    if (outcome.kind === "failed" && outcome.error instanceof ClientError)
      this.#options.onState?.({ kind: "gone", error: outcome.error });
    return outcome;
  }
}

function settled(outcome: Outcome): IteratorResult<OutputEvent> {
  if (outcome.kind === "failed") throw outcome.error;
  return { done: true, value: undefined };
}

function toOutcome(error: unknown): Outcome {
  return error instanceof DetachedError ? { kind: "detached", error } : { kind: "failed", error };
}
