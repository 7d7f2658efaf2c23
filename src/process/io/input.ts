// Feeds one process: writes in the order they were asked for, at the process's own pace, then end of file.

import type { Socket } from "node:net";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";
import { AcceptedInput } from "./accepted-input.ts";

/** The two inputs a process may have: a stdin pipe or a pty. */
export type InputKind = "stdin" | "pty";

/**
 * What may wait behind a process that does not read. Each writer waits for its own bytes, so this is reached only by
 * many writers at once; it bounds what they pile up.
 */
export const INPUT_QUEUE_BYTES = 32 * 1024 * 1024;

/** Where a piece of input belongs. */
export interface InputPlace {
  /** How many bytes come before it: of all, or with a `writer` of that writer's. */
  readonly at: number;
  /** Who counts. Several clients that feed one process cannot know each other's bytes. */
  readonly writer?: string | undefined;
}

export interface ProcessInput {
  /**
   * Resolves when the process's pipe or pty has taken all of `data`, which may be never while it does not read, and
   * rejects with `failed_precondition` when it will not: wrong kind, closed, ended. The caller must not change
   * `data` before. Earlier writes come first.
   *
   * `place` says where in the input `data` begins: what was accepted before is skipped, so that a repeated write is
   * applied once, and a hole is refused with `out_of_range`. Resolves to how many bytes have been accepted, counted as
   * in `place`.
   */
  write(kind: InputKind, data: Uint8Array, place?: InputPlace): Promise<number>;
  /** End of file on stdin after all earlier input; does not wait for it. A second call does nothing. */
  close(): void;
  /** How much was accepted so far, each byte once. */
  readonly acceptedBytes: number;
  /** The process has ended: what still waits is refused, and so is all later input. */
  abandon(): void;
}

export class Input implements ProcessInput {
  readonly #kind: InputKind;
  readonly #socket: Socket;
  /** Names the process in messages: `process 12`. */
  readonly #owner: string;
  /** Why no more input is taken, in words that follow the owner's name. */
  #refusal: string | undefined;
  /** One for each write that the process has not taken yet. */
  readonly #waiting = new Set<(reason: HoldfastError) => void>();
  /** Queued or taken: what a repeated write must not bring again. */
  readonly #accepted = new AcceptedInput();

  /** Takes over `socket` and closes it, but for a pty's, which its reader closes. */
  constructor(kind: InputKind, socket: Socket, owner: string) {
    this.#kind = kind;
    this.#socket = socket;
    this.#owner = owner;
    socket.on("error", () => {
      // Whoever writes is told by the callback; a pty's reader listens too.
    });
  }

  async write(kind: InputKind, data: Uint8Array, place?: InputPlace): Promise<number> {
    this.#assertKind(kind);
    const rest = this.#notYetAccepted(data, place);
    // What was accepted before may be repeated also when nothing new would be: its answer was lost.
    if (rest.length > 0 || data.length === 0) this.#assertOpen();
    const queued = this.#socket.writableLength;
    if (queued > 0 && queued + rest.length > INPUT_QUEUE_BYTES)
      throw new HoldfastError(
        "resource_exhausted",
        `${this.#owner} does not read its input: ${queued} bytes wait already, ${rest.length} more are too many`,
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
    // Not left to the stream: a terminal's lives on while an orphan holds it.
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

  /** Also of nothing: it resolves behind all earlier writes. */
  #writeRest(rest: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#socket.write(rest, (error) => {
        this.#waiting.delete(reject);
        // A destroyed stream reports what it could not write as written.
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

  /** Nobody holds the other end: EPIPE from a pipe, EIO from a pty, nothing from a stream that learned of it first. */
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
