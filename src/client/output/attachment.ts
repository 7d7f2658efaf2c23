// One process's output from one offset on, over as many connections as that needs. A connection whose
// events do not continue the output (output-position.ts) is abandoned for another. Reads one event at
// a time, only when asked.

import { type ClientError, ProcessGoneError, ReconnectError } from "../client-errors.ts";
import { Backoff } from "../retry/backoff.ts";
import { type Failure, toFailure } from "../retry/failures.ts";
import { waitToRetry } from "../retry/retried-call.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { ConnectionState, Exit, PtySize } from "../types.ts";
import { EventStream, type OpenStream } from "./event-stream.ts";
import {
  type Arrival,
  type EarlierPosition,
  type Identity,
  OutputPosition,
  type Rewind,
} from "./output-position.ts";

export interface AttachmentOptions {
  /** Opens the first stream. */
  readonly open: OpenStream;
  /** Opens every later stream: the same process, from exactly this position. */
  readonly resume: (processId: string, position: EarlierPosition) => OpenStream;
  /** Where the first stream must start. Default: where it does start. */
  readonly from?: EarlierPosition | undefined;
  /** The offset at which the agent's output of a process ends; undefined if there is no such process. */
  readonly findHead: (processId: string, signal: AbortSignal) => Promise<number | undefined>;
  /** Whether the agent may kill the process at its time limit. */
  readonly mayTimeOut: boolean;
  readonly onState: ((state: ConnectionState) => void) | undefined;
  readonly onSize: ((size: PtySize) => void) | undefined;
  /** Ends the attachment. */
  readonly signal: AbortSignal;
}

export class Attachment {
  readonly #link: AgentLink;
  readonly #options: AttachmentOptions;
  readonly #position: OutputPosition;
  #stream: EventStream | undefined;
  /**
   * Before the first start event it gives up after a call's retry time, later after the process's.
   */
  #backoff: Backoff;
  #timedOut = false;
  #wake: (() => void) | undefined;

  constructor(link: AgentLink, options: AttachmentOptions) {
    this.#link = link;
    this.#options = options;
    this.#position = new OutputPosition(options.from);
    this.#backoff = new Backoff(link.settings, link.settings.callRetryMs);
  }

  /**
   * Resolves when attached, with the first offset. Call it first, and once. Rejects as `next` does.
   */
  async begin(): Promise<Identity & { readonly offset: number }> {
    const stream = await this.#reach();
    const { identity, offset } = this.#position;
    if (identity === undefined || !(stream instanceof EventStream))
      throw new Error("a rewind before the start event");
    this.#stream = stream;
    return { ...identity, offset };
  }

  /**
   * The next piece of output, or the end. Call it again only after it has settled. Rejects when
   * there is nothing left to try.
   */
  async next(): Promise<Exclude<Arrival, { kind: "nothing" | "size" | "stopping" }>> {
    for (;;) {
      let reached: EventStream | Rewind;
      try {
        reached = this.#stream ?? (await this.#reach());
      } catch (error) {
        if (this.#timedOut && error instanceof ProcessGoneError) return { kind: "end", exit: this.#killed() };
        throw error;
      }
      if (!(reached instanceof EventStream)) return { kind: "rewound", ...reached };
      this.#stream = reached;
      const arrival = await this.#nextOf(reached);
      if ("verdict" in arrival) await this.#lose(arrival);
      else if (arrival.kind === "stopping") this.#options.onState?.(arrival);
      else if (arrival.kind === "size") this.#options.onSize?.(arrival.size);
      else if (arrival.kind !== "nothing") return arrival;
    }
  }

  /** The agent's generation that the output so far belongs to; empty if the agent sends none. */
  get generation(): string {
    return this.#position.generation;
  }

  async #nextOf(stream: EventStream): Promise<Arrival | Failure> {
    try {
      const arrival = this.#position.accept(await stream.nextEvent());
      this.#backoff.succeeded();
      if (arrival.kind === "end") stream.finish();
      return arrival;
    } catch (error) {
      const failure = toFailure(error);
      return stream.sawGoaway ? { ...failure, isPlanned: true } : failure;
    }
  }

  async #lose(failure: Failure): Promise<void> {
    this.#stream?.close();
    this.#stream = undefined;
    // The agent ends a Start at the process's time limit with this error and sends no end event.
    // One more attach brings the end event.
    const isTimeout =
      this.#options.mayTimeOut && !this.#timedOut && failure.error.code === "deadline_exceeded";
    if (isTimeout) this.#timedOut = true;
    else await this.#waitToRetry(failure);
  }

  /** Connects until a stream has sent a start event that fits, or the agent's output ends before ours. */
  async #reach(): Promise<EventStream | Rewind> {
    const { open, resume, signal, onState } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const { identity } = this.#position;
      const stream = new EventStream(
        this.#link,
        identity === undefined ? open : resume(identity.processId, this.#position),
        signal,
      );
      try {
        this.#position.begin(await stream.nextEvent());
      } catch (error) {
        stream.close();
        const failure = toFailure(error);
        const rewind = identity && (await this.#findRewind(identity.processId, failure));
        if (rewind !== undefined) return rewind;
        await this.#waitToRetry(failure);
        continue;
      }
      if (identity === undefined) this.#becomePatient();
      this.#backoff.reached();
      onState?.({ kind: "connected", offset: this.#position.offset });
      return stream;
    }
  }

  /** The process exists now: from here on the caller's `giveUpAfterMs` counts. */
  #becomePatient(): void {
    this.#backoff = new Backoff(this.#link.settings, this.#link.settings.giveUpAfterMs);
    this.#backoff.succeeded();
  }

  /**
   * An agent without generations answers `out_of_range` when its machine was restored to a state
   * before our offset. Its list of processes has the offset that it continues at.
   */
  async #findRewind(processId: string, { error }: Failure): Promise<Rewind | undefined> {
    if (error.code !== "out_of_range") return undefined;
    const head = await this.#options.findHead(processId, this.#options.signal);
    return head !== undefined && head < this.#position.offset ? this.#position.rewindTo(head) : undefined;
  }

  /** Throws the failure's error when there is nothing left to try. */
  async #waitToRetry(failure: Failure): Promise<void> {
    const { verdict, error, retryAfterMs } = failure;
    const { signal, onState } = this.#options;
    signal.throwIfAborted();
    if (error instanceof ReconnectError) this.#backoff.restart();
    const { identity } = this.#position;
    // Before the process exists, `resource_exhausted` is the answer, unless the agent asks for a
    // retry. Later it is a reason to retry.
    const isRefusal =
      identity === undefined && error.code === "resource_exhausted" && retryAfterMs === undefined;
    const retry = this.#backoff.afterFailure(isRefusal ? "final" : verdict, failure);
    if (retry === undefined) throw identity === undefined ? error : explained(error);
    onState?.({ kind: "reconnecting", ...retry, reason: error });
    await waitToRetry(this.#link, retry.delayMs, this.#backoff, signal, (wake) => {
      this.#wake = wake;
      return () => {
        this.#wake = undefined;
      };
    });
  }

  /** Ends the wait before the next try. Without one it does nothing. */
  retryNow(): void {
    this.#wake?.();
  }

  /** For an agent that retains no ended processes. */
  #killed(): Exit {
    const status = "signal: killed";
    return {
      exitCode: -1,
      exited: false,
      status,
      error: status,
      signal: "SIGKILL",
      timedOut: true,
      offset: this.#position.offset,
    };
  }
}

/**
 * The agent cannot say what happened to a process that it does not know. The client saw it live, so
 * the message can name the possible reasons.
 */
function explained(error: ClientError): ClientError {
  // A newer agent has said it itself.
  if (!(error instanceof ProcessGoneError) || / ended .* ago /.test(error.message)) return error;
  const message = `${error.message}: it has ended and is no longer retained, or the agent was restarted`;
  return new ProcessGoneError(message, { cause: error });
}
