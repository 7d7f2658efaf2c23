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
      this.#socket.write(data, (error) => (error ? reject(this.#broken(error)) : resolve()));
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
    if (this.#kind === "stdin") this.#socket.destroy();
  }

  #assertKind(kind: InputKind): void {
    if (kind === this.#kind) return;
    const hint = this.#kind === "pty" ? "it runs on a pty" : "it runs on pipes";
    throw new HoldfastError("failed_precondition", `${this.#owner} has no ${kind} input: ${hint}`);
  }

  #assertOpen(): void {
    if (this.#refusal !== undefined)
      throw new HoldfastError("failed_precondition", `${this.#owner} ${this.#refusal}: it takes no input`);
  }

  #broken(error: Error): HoldfastError {
    // EPIPE from a pipe, EIO from a pty: nobody holds the other end. Node: "destroyed" for what waited behind it.
    this.#refusal ??= `closed its ${this.#kind} (${errnoName(error) ?? error.message})`;
    return new HoldfastError("failed_precondition", `${this.#owner} ${this.#refusal}: it takes no input`, {
      cause: error,
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
