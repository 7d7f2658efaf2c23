// One process's output from one offset on, over as many connections as that needs. Owns the offset
// and checks every event against it: a connection that repeats or drops output is abandoned. Reads
// one event at a time, only when asked.

import type { ProcessEvent } from "../gen/process_pb.ts";
import { Backoff } from "./backoff.ts";
import { ClientError, ProcessGoneError } from "./client-errors.ts";
import type { AgentLink } from "./connection.ts";
import { EventStream, type OpenStream } from "./event-stream.ts";
import { type Failure, toFailure } from "./failures.ts";
import { toExit } from "./messages.ts";
import { pause } from "./pause.ts";
import type { ConnectionState, Exit, OutputEvent } from "./types.ts";

export interface AttachmentOptions {
  /** Opens the first stream. */
  readonly open: OpenStream;
  /** Opens every later stream: the same process, from exactly this offset. */
  readonly resume: (processId: string, fromOffset: number) => OpenStream;
  /** Whether the agent may kill the process at its time limit. */
  readonly mayTimeOut: boolean;
  readonly onState: ((state: ConnectionState) => void) | undefined;
  /** Ends the attachment. */
  readonly signal: AbortSignal;
}

/** The facts that the start event brings. */
export interface Identity {
  readonly pid: number;
  readonly processId: string;
  readonly isPty: boolean;
}

export type Arrival = OutputEvent | { readonly kind: "end"; readonly exit: Exit };

export class Attachment {
  readonly #link: AgentLink;
  readonly #options: AttachmentOptions;
  #identity: Identity | undefined;
  /** Offset of the next byte to arrive. */
  #offset = 0;
  #stream: EventStream | undefined;
  /**
   * Before the first start event it gives up after a call's retry time, later after the process's.
   */
  #backoff: Backoff;
  #timedOut = false;

  constructor(link: AgentLink, options: AttachmentOptions) {
    this.#link = link;
    this.#options = options;
    this.#backoff = new Backoff(link.settings, link.settings.callRetryMs);
  }

  /**
   * Resolves when attached, with the first offset. Call it first, and once. Rejects as `next` does.
   */
  async begin(): Promise<Identity & { readonly offset: number }> {
    this.#stream = await this.#reach();
    return { ...this.#known(), offset: this.#offset };
  }

  /**
   * The next piece of output, or the end. Call it again only after it has settled. Rejects when
   * there is nothing left to try.
   */
  async next(): Promise<Arrival> {
    for (;;) {
      try {
        this.#stream ??= await this.#reach();
      } catch (error) {
        if (this.#timedOut && error instanceof ProcessGoneError) return { kind: "end", exit: this.#killed() };
        throw error;
      }
      const arrival = await this.#nextOf(this.#stream);
      if ("verdict" in arrival) await this.#lose(arrival);
      else if (arrival.kind !== "nothing") return arrival;
    }
  }

  async #nextOf(stream: EventStream): Promise<Arrival | { readonly kind: "nothing" } | Failure> {
    try {
      const arrival = this.#accept(await stream.next());
      this.#backoff.succeeded();
      if (arrival.kind === "end") stream.finish();
      return arrival;
    } catch (error) {
      return toFailure(error);
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

  /** Connects until a stream has sent a start event that fits. */
  async #reach(): Promise<EventStream> {
    const { open, resume, signal, onState } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const known = this.#identity;
      const stream = new EventStream(
        this.#link,
        known === undefined ? open : resume(known.processId, this.#offset),
        signal,
      );
      try {
        this.#identify(await stream.next());
      } catch (error) {
        stream.close();
        await this.#waitToRetry(toFailure(error));
        continue;
      }
      this.#backoff.reached();
      onState?.({ kind: "connected", offset: this.#offset });
      return stream;
    }
  }

  /** Throws the failure's error when there is nothing left to try. */
  async #waitToRetry({ verdict, error }: Failure): Promise<void> {
    const { signal, onState } = this.#options;
    signal.throwIfAborted();
    // Before the process exists, `resource_exhausted` is the answer. Later it is a reason to retry.
    const isRefusal = this.#identity === undefined && error.code === "resource_exhausted";
    const retry = this.#backoff.afterFailure(isRefusal ? "final" : verdict);
    if (retry === undefined) throw this.#identity === undefined ? error : explained(error);
    onState?.({ kind: "reconnecting", ...retry, reason: error });
    await pause(this.#link.settings.clock, retry.delayMs, signal);
  }

  #identify(event: ProcessEvent["event"] | undefined): void {
    if (event?.case !== "start")
      throw new ClientError(
        "data_loss",
        `the stream began with ${event?.case ?? "nothing"} instead of start`,
      );
    const { pid, processId, pty } = event.value;
    if (processId === "")
      throw new ClientError(
        "unimplemented",
        "the agent sent no process_id, so its streams cannot be resumed: it is not holdfast",
      );
    const offset = Number(event.value.offset);
    if (this.#identity === undefined) {
      this.#identity = { pid, processId, isPty: pty };
      this.#offset = offset;
      this.#backoff = new Backoff(this.#link.settings, this.#link.settings.giveUpAfterMs);
      this.#backoff.succeeded();
      return;
    }
    if (processId !== this.#identity.processId)
      throw new ClientError(
        "data_loss",
        `attached to process ${processId} instead of ${this.#identity.processId}`,
      );
    this.#assertHere(offset, "the stream began");
  }

  /** Checks that one event continues the output. Throws if it does not. */
  #accept(event: ProcessEvent["event"] | undefined): Arrival | { readonly kind: "nothing" } {
    if (event === undefined) throw new ClientError("unavailable", "the stream ended without an end event");
    switch (event.case) {
      case "data": {
        const { output, offset: at } = event.value;
        if (output.case === undefined)
          throw new ClientError("unimplemented", "the agent sent an unknown kind of output");
        const offset = this.#assertHere(Number(at), "output arrived");
        this.#offset += output.value.length;
        return { kind: output.case, data: output.value, offset };
      }
      case "gap": {
        const from = this.#assertHere(Number(event.value.from), "a gap arrived");
        const to = Number(event.value.to);
        if (to < from)
          throw new ClientError("data_loss", `a gap arrived that ends at ${to}, before its start at ${from}`);
        this.#offset = to;
        return { kind: "gap", from, to };
      }
      case "end":
        this.#assertHere(Number(event.value.offset), "the end event arrived");
        return { kind: "end", exit: toExit(event.value) };
      case "start":
        throw new ClientError("data_loss", "a second start event arrived");
      default:
        // A keepalive, or an event that this client does not know.
        return { kind: "nothing" };
    }
  }

  #assertHere(offset: number, what: string): number {
    if (offset === this.#offset) return offset;
    throw new ClientError("data_loss", `${what} at offset ${offset}, expected ${this.#offset}`);
  }

  #known(): Identity {
    if (this.#identity === undefined) throw new Error("used before it began");
    return this.#identity;
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
      offset: this.#offset,
    };
  }
}

/**
 * The agent cannot say what happened to a process that it does not know. The client saw it live, so
 * the message can name the possible reasons.
 */
function explained(error: ClientError): ClientError {
  if (!(error instanceof ProcessGoneError)) return error;
  const message = `${error.message}: it has ended and is no longer retained, or the agent was restarted`;
  return new ProcessGoneError(message, { cause: error });
}
