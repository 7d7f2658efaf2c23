// The input of one process: writes in the order of the calls, as fast as the process reads, then
// end of file.

import type { Socket } from "node:net";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";
import { AcceptedInput } from "./accepted-input.ts";

/** The two inputs a process may have: a stdin pipe or a pty. */
export type InputKind = "stdin" | "pty";

/**
 * How many bytes may wait for a process that does not read. A writer usually waits for its own
 * bytes, so only many writers at once reach this limit.
 */
export const INPUT_QUEUE_BYTES = 32 * 1024 * 1024;

/** The place of a piece in the input. */
export interface InputPlace {
  /** How many bytes come before it: of the whole input, or of `writer` if that is set. */
  readonly at: number;
  /**
   * The name of a writer that counts only its own bytes: clients do not know how much other clients
   * wrote.
   */
  readonly writer?: string | undefined;
}

export interface ProcessInput {
  /**
   * Resolves when the pipe or pty has accepted all of `data`, after all earlier writes. Waits as
   * long as the process does not read. Rejects with `failed_precondition` when it never will: wrong
   * kind, closed, ended. The caller must not change `data` before that.
   *
   * `place` says where in the input `data` begins. Bytes that were accepted before are skipped, so
   * that a repeated write is applied once; a hole is refused with `out_of_range`. Resolves to the
   * accepted bytes, counted as in `place`.
   */
  write(kind: InputKind, data: Uint8Array, place?: InputPlace): Promise<number>;
  /** Ends stdin after all earlier input, without waiting for it. A second call does nothing. */
  close(): void;
  /** How many bytes were accepted, each counted once. */
  readonly acceptedBytes: number;
  /** The process has ended: refuses waiting and later input. */
  abandon(): void;
}

export class Input implements ProcessInput {
  readonly #kind: InputKind;
  readonly #socket: Socket;
  /** Names the process in messages: `process 12`. */
  readonly #owner: string;
  /** Why input is refused, in words that follow the name of the process. */
  #refusal: string | undefined;
  /** One for each write that the process has not accepted yet. */
  readonly #waiting = new Set<(reason: HoldfastError) => void>();
  /** Queued or written: a repeated write must not add these bytes again. */
  readonly #accepted = new AcceptedInput();

  /** Owns `socket` and closes it, except the socket of a pty, which its reader closes. */
  constructor(kind: InputKind, socket: Socket, owner: string) {
    this.#kind = kind;
    this.#socket = socket;
    this.#owner = owner;
    socket.on("error", () => {
      // The callback of each write reports it. A pty's reader also listens.
    });
  }

  async write(kind: InputKind, data: Uint8Array, place?: InputPlace): Promise<number> {
    this.#assertKind(kind);
    const rest = this.#notYetAccepted(data, place);
    // A repeat of accepted bytes succeeds even after the close: only its answer was lost.
    if (rest.length > 0 || data.length === 0) this.#assertOpen();
    const queued = this.#socket.writableLength;
    if (queued > 0 && queued + rest.length > INPUT_QUEUE_BYTES)
      throw new HoldfastError(
        "resource_exhausted",
        `${this.#owner} does not read its input: ${queued} bytes wait already, ${rest.length} more exceed the limit of ${INPUT_QUEUE_BYTES}`,
      );
    const acceptedBytes = this.#accepted.add(rest.length, place?.writer);
    if (rest.length > 0 || queued > 0) await this.#writeRest(rest);
    return acceptedBytes;
  }

  get acceptedBytes(): number {
    return this.#accepted.bytesOf(undefined);
  }

  close(): void {
    this.#assertKind("stdin");
    if (this.#refusal !== undefined) return;
    this.#refusal = "has a closed stdin";
    this.#socket.end();
  }

  abandon(): void {
    this.#refusal = "has ended";
    // The stream does not do it: a terminal's stays open while an orphan holds it.
    for (const reject of this.#waiting) reject(this.#refused());
    this.#waiting.clear();
    if (this.#kind === "stdin") this.#socket.destroy();
  }

  #notYetAccepted(data: Uint8Array, place: InputPlace | undefined): Uint8Array {
    if (place === undefined) return data;
    const acceptedBytes = this.#accepted.bytesOf(place.writer);
    const skipped = acceptedBytes - place.at;
    if (skipped >= 0) return data.subarray(Math.min(skipped, data.length));
    throw new HoldfastError(
      "out_of_range",
      `input at offset ${place.at} would leave a hole: ${acceptedBytes} bytes have been accepted`,
    );
  }

  /** Called also with no bytes: it then resolves after all earlier writes. */
  #writeRest(rest: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#socket.write(rest, (error) => {
        this.#waiting.delete(reject);
        // A destroyed stream reports unwritten bytes as written.
        if (error || this.#socket.destroyed) reject(this.#broken(error));
        else resolve();
      });
    });
  }

  #assertKind(kind: InputKind): void {
    if (kind === this.#kind) return;
    const hint = this.#kind === "pty" ? "it runs on a pty" : "it runs on pipes";
    throw new HoldfastError("failed_precondition", `${this.#owner} has no ${kind} input: ${hint}`);
  }

  #assertOpen(): void {
    if (this.#refusal !== undefined) throw this.#refused();
  }

  /**
   * The other end is closed: EPIPE from a pipe, EIO from a pty, no error if the stream noticed it
   * before.
   */
  #broken(error: Error | null | undefined): HoldfastError {
    const reason = error ? ` (${errnoName(error) ?? error.message})` : "";
    this.#refusal ??= `closed its ${this.#kind}${reason}`;
    return this.#refused(error ?? undefined);
  }

  #refused(cause?: Error): HoldfastError {
    return new HoldfastError("failed_precondition", `${this.#owner} ${this.#refusal}: it takes no input`, {
      cause,
    });
  }
}

/** The input of a process that was started with /dev/null for stdin. */
export function refusedInput(owner: string): ProcessInput {
  const refuse = () => {
    throw new HoldfastError("failed_precondition", `${owner} has no stdin: it was started without one`);
  };
  return {
    acceptedBytes: 0,
    write: async () => refuse(),
    close: refuse,
    abandon: () => {
      // Nothing waits.
    },
  };
}
