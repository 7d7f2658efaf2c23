// One process's output from one place on, over as many connections as it takes. Owns the place: every event that comes is
// checked against it, so that a connection that doubles or drops something is found out and left. Reads only when asked,
// one event at a time.

import type { ProcessEvent } from "../gen/process_pb.ts";
import { Backoff } from "./backoff.ts";
import type { AgentLink } from "./connection.ts";
import { ClientError, ProcessGoneError } from "./errors.ts";
import { EventStream, type OpenStream } from "./event-stream.ts";
import { type Failure, toFailure } from "./failures.ts";
import { toExit } from "./messages.ts";
import { pause } from "./pause.ts";
import type { ConnectionState, Exit, OutputEvent } from "./types.ts";

export interface AttachmentOptions {
  /** Opens the first stream. */
  readonly open: OpenStream;
  /** Opens every later one: the same process, exactly here. */
  readonly resume: (processId: string, fromOffset: number) => OpenStream;
  /** Whether the agent may kill the process because the time given to it is over. */
  readonly mayTimeOut: boolean;
  readonly onState: ((state: ConnectionState) => void) | undefined;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Who the process is, once a start event came. */
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
  /** Of the next byte to come. */
  #offset = 0;
  #stream: EventStream | undefined;
  /** Of a first stream it has a call's patience, of later ones the process's. */
  #backoff: Backoff;
  #timedOut = false;

  constructor(link: AgentLink, options: AttachmentOptions) {
    this.#link = link;
    this.#options = options;
    this.#backoff = new Backoff(link.settings, link.settings.callRetryMs);
  }

  /** Resolves when attached, with the place; to be called first and once. Rejects as `next`. */
  async begin(): Promise<Identity & { readonly offset: number }> {
    this.#stream = await this.#reach();
    return { ...this.#known(), offset: this.#offset };
  }

  /** The next piece of output, or the end. Not to be called again before it has answered. Rejects when all is lost. */
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
    // A Start whose process ran out of time ends so, in place of an end event: attaching once more brings that.
    const isTimeout =
      this.#options.mayTimeOut && !this.#timedOut && failure.error.code === "deadline_exceeded";
    if (isTimeout) this.#timedOut = true;
    else await this.#waitToRetry(failure);
  }

  /** A stream whose start event has come, and said what was expected. */
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

  /** Throws the failure's error when there shall be no other try. */
  async #waitToRetry({ verdict, error }: Failure): Promise<void> {
    const { signal, onState } = this.#options;
    signal.throwIfAborted();
    // Before there is a process, a lack is an answer; later it will not keep us from coming back.
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
        `the stream began with ${event?.case ?? "nothing"} and not with start`,
      );
    const { pid, processId, pty } = event.value;
    if (processId === "")
      throw new ClientError(
        "unimplemented",
        "the agent gives no process_id: it cannot resume, it is no holdfast",
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
      throw new ClientError("data_loss", `asked for ${this.#identity.processId}, got ${processId}`);
    this.#assertHere(offset, "the stream began");
  }

  /** Takes in one event, in its place. Throws for one that is out of it. */
  #accept(event: ProcessEvent["event"] | undefined): Arrival | { readonly kind: "nothing" } {
    if (event === undefined) throw new ClientError("unavailable", "the stream ended without an end event");
    switch (event.case) {
      case "data": {
        const { output, offset: at } = event.value;
        if (output.case === undefined)
          throw new ClientError("unimplemented", "output of an unknown kind came");
        const offset = this.#assertHere(Number(at), "output came");
        this.#offset += output.value.length;
        return { kind: output.case, data: output.value, offset };
      }
      case "gap": {
        const from = this.#assertHere(Number(event.value.from), "a gap came");
        const to = Number(event.value.to);
        if (to < from)
          throw new ClientError("data_loss", `a gap came that ends at ${to}, before its ${from}`);
        this.#offset = to;
        return { kind: "gap", from, to };
      }
      case "end":
        this.#assertHere(Number(event.value.offset), "the end came");
        return { kind: "end", exit: toExit(event.value) };
      case "start":
        throw new ClientError("data_loss", "a second start event came");
      default:
        // A sign of life, or something newer than this client.
        return { kind: "nothing" };
    }
  }

  #assertHere(offset: number, what: string): number {
    if (offset === this.#offset) return offset;
    throw new ClientError("data_loss", `${what} at offset ${offset}, expected at ${this.#offset}`);
  }

  #known(): Identity {
    if (this.#identity === undefined) throw new Error("used before it began");
    return this.#identity;
  }

  /** For an agent that retains no ended process. */
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

/** The agent cannot know what became of a process it does not know; who was attached to it can tell what it may be. */
function explained(error: ClientError): ClientError {
  if (!(error instanceof ProcessGoneError)) return error;
  const message = `${error.message}: ended and retained no longer, or the agent was restarted`;
  return new ProcessGoneError(message, { cause: error });
}
