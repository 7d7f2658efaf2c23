// Feeds one process: writes in the order they were asked for, at the process's own pace, then end of file.

import type { Socket } from "node:net";
import { HoldfastError } from "../errors.ts";
import { errnoName } from "./errno.ts";

/** The two inputs a process may have: a stdin pipe or a pty. */
export type InputKind = "stdin" | "pty";

/**
 * What may wait behind a process that does not read. Each writer waits for its own bytes, so this is reached only by
 * many writers at once; it bounds what they pile up.
 */
export const INPUT_QUEUE_BYTES = 32 * 1024 * 1024;

export interface ProcessInput {
  /**
   * Resolves when the process's pipe or pty has taken all of `data`, which may be never while it does not read, and
   * rejects with `failed_precondition` when it will not: wrong kind, closed, ended. The caller must not change
   * `data` before. Earlier writes come first.
   */
  write(kind: InputKind, data: Uint8Array): Promise<void>;
  /** End of file on stdin after all earlier input; does not wait for it. A second call does nothing. */
  close(): void;
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

  /** Takes over `socket` and closes it, but for a pty's, which its reader closes. */
  constructor(kind: InputKind, socket: Socket, owner: string) {
    this.#kind = kind;
    this.#socket = socket;
    this.#owner = owner;
    socket.on("error", () => {
      // Whoever writes is told by the callback; a pty's reader listens too.
    });
  }

  async write(kind: InputKind, data: Uint8Array): Promise<void> {
    this.#assertKind(kind);
    this.#assertOpen();
    const queued = this.#socket.writableLength;
    if (queued > 0 && queued + data.length > INPUT_QUEUE_BYTES)
      throw new HoldfastError(
        "resource_exhausted",
        `${this.#owner} does not read its input: ${queued} bytes wait already, ${data.length} more are too many`,
      );
    await new Promise<void>((resolve, reject) => {
      this.#waiting.add(reject);
      this.#socket.write(data, (error) => {
        this.#waiting.delete(reject);
        // A destroyed stream reports what it could not write as written.
        if (error || this.#socket.destroyed) reject(this.#broken(error));
        else resolve();
      });
    });
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
    write: async () => refuse(),
    close: refuse,
    abandon: () => {
      // Nothing waits.
    },
  };
}
