// Where one client is in a process's output. Checks every event against the offset, so that a stream
// that repeats, drops or reorders output is detected at its first wrong event. No I/O.

import type { ProcessEvent } from "../../gen/process_pb.ts";
import { CleanEndError, ClientError } from "../client-errors.ts";
import { toExit, toOutputTimes, toTerminal } from "../messages.ts";
import type { Exit, OutputEvent, OutputTime, PtySize, TerminalState } from "../types.ts";

type WireEvent = ProcessEvent["event"];

/** The facts that the start event brings. */
export interface Identity {
  readonly pid: number;
  readonly processId: string;
  readonly isPty: boolean;
  /** Where the first stream began. */
  readonly terminal: TerminalState | undefined;
  readonly acceptsInput: boolean | undefined;
  readonly sameTag: number;
}

/** The machine was restored to a state in which this output did not exist yet. */
export interface Rewind {
  /** The client's offset. */
  readonly was: number;
  /** Where the output continues. */
  readonly now: number;
  /** The state of the terminal there, if the agent reports it. */
  readonly terminal?: TerminalState;
}

export type Arrival =
  | OutputEvent
  | { readonly kind: "end"; readonly exit: Exit }
  | ({ readonly kind: "rewound" } & Rewind)
  | { readonly kind: "stopping"; readonly reason: string; readonly graceMs: number }
  | { readonly kind: "size"; readonly size: PtySize }
  /** A keepalive, or an event that this client does not know. */
  | { readonly kind: "nothing" };

/** A position that an earlier client has reached. */
export interface EarlierPosition {
  readonly offset: number;
  readonly generation: string;
}

export class OutputPosition {
  #identity: Identity | undefined;
  #offset: number | undefined;
  #generation = "";
  /** Of the present stream; becomes `#generation` with the next event, which may be `rewound`. */
  #streamGeneration = "";
  /** Of the next data event. */
  #times: readonly OutputTime[] | undefined;
  /** Where the present stream began. */
  #streamTerminal: TerminalState | undefined;

  /** Without `earlier` the first stream sets the offset. */
  constructor(earlier?: EarlierPosition) {
    this.#offset = earlier?.offset;
    this.#generation = earlier?.generation ?? "";
  }

  /** Undefined before the first start event. */
  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Offset of the next byte to arrive. */
  get offset(): number {
    return this.#offset ?? 0;
  }

  /** The agent's generation that the output so far belongs to; empty if the agent sends none. */
  get generation(): string {
    return this.#generation;
  }

  /** Takes the first event of a stream. */
  begin(event: WireEvent | undefined): void {
    if (event?.case !== "start")
      throw new ClientError(
        "data_loss",
        `the stream began with ${event?.case ?? "nothing"} instead of start`,
      );
    this.#times = undefined;
    const { pid, processId, pty, generation, acceptsInput, sameTag } = event.value;
    const terminal = toTerminal(event.value.terminal);
    if (processId === "")
      throw new ClientError(
        "unimplemented",
        "the agent sent no process_id, so its streams cannot be resumed: it is not holdfast",
      );
    const offset = Number(event.value.offset);
    this.#identity ??= { pid, processId, isPty: pty, acceptsInput, sameTag, terminal };
    if (processId !== this.#identity.processId)
      throw new ClientError(
        "data_loss",
        `attached to process ${processId} instead of ${this.#identity.processId}`,
      );
    if (this.#offset === undefined) {
      this.#offset = offset;
      this.#generation = generation;
    }
    // An agent with generations explains a lower offset by the next event, `rewound`. Every other event
    // would have a wrong offset, and fail there.
    const mayBeRewound = this.#generation !== "" && offset < this.#offset;
    if (!mayBeRewound) this.#assertHere(offset, "the stream began");
    this.#streamGeneration = generation;
    this.#streamTerminal = terminal;
  }

  /** Takes a later event. Throws if it does not continue the output. */
  accept(event: WireEvent | undefined): Arrival {
    if (event === undefined) throw new CleanEndError();
    const arrival = this.#take(event);
    if (arrival.kind !== "nothing") this.#generation = this.#streamGeneration;
    return arrival;
  }

  #take(event: WireEvent): Arrival {
    switch (event.case) {
      case "data": {
        const { output, offset: at } = event.value;
        if (output.case === undefined)
          throw new ClientError("unimplemented", "the agent sent an unknown kind of output");
        const offset = this.#assertHere(Number(at), "output arrived");
        this.#offset = offset + output.value.length;
        const times = this.#times;
        this.#times = undefined;
        return {
          kind: output.case,
          data: output.value,
          offset,
          ...(times === undefined ? {} : { times }),
        };
      }
      case "gap": {
        const from = this.#assertHere(Number(event.value.from), "a gap arrived");
        const to = Number(event.value.to);
        if (to < from)
          throw new ClientError("data_loss", `a gap arrived that ends at ${to}, before its start at ${from}`);
        this.#offset = to;
        const terminal = toTerminal(event.value.terminal);
        return { kind: "gap", from, to, ...(terminal && { terminal }) };
      }
      case "times":
        this.#times = toOutputTimes(event.value);
        return { kind: "nothing" };
      case "rewound":
        return {
          kind: "rewound",
          ...this.#rewind(Number(event.value.was), Number(event.value.now)),
          ...(this.#streamTerminal && { terminal: this.#streamTerminal }),
        };
      case "end":
        this.#assertHere(Number(event.value.offset), "the end event arrived");
        return { kind: "end", exit: toExit(event.value) };
      case "agentStopping":
        return { kind: "stopping", reason: event.value.reason, graceMs: Number(event.value.graceMs) };
      case "size": {
        const { cols, rows } = event.value;
        return { kind: "size", size: { cols, rows } };
      }
      case "start":
        throw new ClientError("data_loss", "a second start event arrived");
      default:
        return { kind: "nothing" };
    }
  }

  /** The agent's output ends at `now`, before the offset, and the agent has no event for that. */
  rewindTo(now: number): Rewind {
    return this.#rewind(this.offset, now);
  }

  #rewind(was: number, now: number): Rewind {
    this.#assertHere(was, "the output was rewound");
    if (now > was)
      throw new ClientError("data_loss", `the output was rewound from ${was} to ${now}, a later offset`);
    this.#offset = now;
    return { was, now };
  }

  #assertHere(offset: number, what: string): number {
    if (offset === this.#offset) return offset;
    throw new ClientError("data_loss", `${what} at offset ${offset}, expected ${this.#offset}`);
  }
}
