// The iteration over one process's output, and its end. Events are pulled one by one. The first
// end, failure, abort or detach settles everything, so the iteration and the exit promise always
// agree.

import { deferred } from "../../deferred.ts";
import { AbortScope, onAbort } from "../abort.ts";
import { ClientError, DetachedError, GapError, RewoundError } from "../client-errors.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { Exit, OutputEvent, ProcessOptions } from "../types.ts";
import { Attachment, type AttachmentOptions } from "./attachment.ts";
import type { Identity, Rewind } from "./output-position.ts";

type Outcome =
  | { readonly kind: "exit"; readonly exit: Exit }
  /** A ClientError, or the reason of the caller's signal. */
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "detached"; readonly error: DetachedError };

export type Opening = Pick<AttachmentOptions, "open" | "resume" | "from" | "findHead" | "mayTimeOut">;

export class Output implements AsyncIterableIterator<OutputEvent> {
  /** See RemoteProcess.exit. */
  readonly exit: Promise<Exit>;
  readonly #options: ProcessOptions;
  readonly #scope: AbortScope;
  readonly #attachment: Attachment;
  readonly #settleExit: { resolve(exit: Exit): void; reject(error: unknown): void };
  /** Called when the output was rewound and the iteration continues. */
  onRewound: (() => void) | undefined;
  #offset = 0;
  #outcome: Outcome | undefined;
  /** Resolves when all earlier calls of `next` have settled. Never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(link: AgentLink, opening: Opening, options: ProcessOptions) {
    this.#options = options;
    this.#scope = new AbortScope(link.closed, options.signal);
    this.#attachment = new Attachment(link, {
      ...opening,
      onState: options.onState,
      onSize: options.onSize,
      signal: this.#scope.signal,
    });
    const { promise, ...settleExit } = deferred<Exit>();
    this.exit = promise;
    this.#settleExit = settleExit;
    // A caller that does not use `exit` need not handle its rejection.
    promise.catch(() => {
      // The iteration fails with the same error.
    });
    // At once, even if there is no iteration.
    onAbort(this.#scope.signal, () => this.#settle(toOutcome(this.#scope.signal.reason)));
  }

  /** Offset of the next byte that `next` yields. */
  get offset(): number {
    return this.#offset;
  }

  /** See RemoteProcess.generation. */
  get generation(): string | undefined {
    return this.#attachment.generation === "" ? undefined : this.#attachment.generation;
  }

  /**
   * The signals that end calls about this process. The caller's own signal is among them, because
   * the scope stops following it at the process's end.
   */
  get signals(): readonly (AbortSignal | undefined)[] {
    return [this.#scope.signal, this.#options.signal];
  }

  /** Resolves when attached. Call it first, and once. */
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

  /** Overlapping calls are answered in order. */
  next(): Promise<IteratorResult<OutputEvent>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => {
      // The caller of `next` handles the error.
    });
    return result;
  }

  /** A loop that is left keeps its place. */
  async return(): Promise<IteratorResult<OutputEvent>> {
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** See RemoteProcess.retryNow. */
  retryNow(): void {
    this.#attachment.retryNow();
  }

  /** It also fails pending calls after the process has ended. */
  detach(): void {
    const error = new DetachedError("detached from the process, which continues to run");
    this.#settle({ kind: "detached", error });
    this.#scope.abort(error);
  }

  async #next(): Promise<IteratorResult<OutputEvent>> {
    if (this.#outcome !== undefined) return settled(this.#outcome);
    try {
      const arrival = await this.#attachment.next();
      // Detached in the meantime: the event is not yielded, and the offset does not include it.
      if (this.#outcome !== undefined) return settled(this.#outcome);
      if (arrival.kind === "rewound") return await this.#continueAt(arrival);
      if (arrival.kind === "end") return settled(this.#settle({ kind: "exit", exit: arrival.exit }));
      if (arrival.kind === "gap" && this.#options.onGap === "error")
        throw new GapError(arrival.from, arrival.to);
      this.#offset = arrival.kind === "gap" ? arrival.to : arrival.offset + arrival.data.length;
      return { done: false, value: arrival };
    } catch (error) {
      return settled(this.#settle(toOutcome(error)));
    }
  }

  async #continueAt(rewound: { kind: "rewound" } & Rewind): Promise<IteratorResult<OutputEvent>> {
    const { was, now } = rewound;
    if (this.#options.onRewind !== "resume") throw new RewoundError(was, now);
    this.#offset = now;
    this.onRewound?.();
    this.#options.onState?.(rewound);
    return this.#next();
  }

  /** The first call decides; later calls return its outcome. */
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
