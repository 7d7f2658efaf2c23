// Feeds one process, exactly once: every piece says where it belongs, so a piece whose answer was lost is sent again
// without harm. One piece is in flight at a time.
//
// The agent counts the bytes of each writer apart, by its name. A write that was given up may still be taken later: the
// count is then unknown, and whoever writes on does so under a new name, from 0.
//
// A process that does not read keeps its writer waiting for as long as it likes. So that this does not look like a dead
// connection, each try gives the agent a limit of its own: an answer that it ran out is a sign of life.

import { untilAbort } from "./abort.ts";
import type { AgentLink } from "./connection.ts";
import { ClientError, ProcessGoneError } from "./errors.ts";
import { timeoutHeaders, toSelectorMessage } from "./messages.ts";
import { randomId } from "./random-id.ts";
import { call } from "./retried-call.ts";
import type { CallOptions } from "./types.ts";

/** Grows while pieces get through, so that a long way costs few round trips; shrinks on a connection that keeps breaking. */
const FIRST_PIECE_BYTES = 64 * 1024;
const MIN_PIECE_BYTES = 1024;
const MAX_PIECE_BYTES = 1024 * 1024;

export interface InputTarget {
  readonly processId: string;
  readonly kind: "stdin" | "pty";
  /** Each ends everything. */
  readonly signals: readonly (AbortSignal | undefined)[];
}

export class InputWriter {
  readonly #link: AgentLink;
  readonly #target: InputTarget;
  #writer = randomId();
  #acceptedBytes = 0;
  #pieceBytes = FIRST_PIECE_BYTES;
  /** Resolves when all earlier writes are over. Never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(link: AgentLink, target: InputTarget) {
    this.#link = link;
    this.#target = target;
  }

  /** See RemoteProcess.write. */
  write(data: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    return this.#inTurn(signal, () => this.#send(data, signal));
  }

  /** See RemoteProcess.closeStdin. */
  close({ signal }: CallOptions = {}): Promise<void> {
    return this.#inTurn(signal, () => this.#sendClose(signal));
  }

  async #send(data: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    let done = 0;
    try {
      while (done < data.length) done += await this.#sendPiece(data.subarray(done), signal);
    } catch (error) {
      this.#writer = randomId();
      this.#acceptedBytes = 0;
      throw error;
    }
  }

  /** Sends the beginning of `rest`; returns how much of it is accepted. */
  async #sendPiece(rest: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    const { processId, kind } = this.#target;
    const { giveUpAfterMs, keepaliveSeconds } = this.#link.settings;
    const at = this.#acceptedBytes;
    const { offset } = await call(this.#link, {
      send: (rpc, options) =>
        rpc.sendInput(
          {
            process: toSelectorMessage(processId),
            input: { input: { case: kind, value: rest.subarray(0, this.#pieceBytes) } },
            offset: BigInt(at),
            writer: this.#writer,
          },
          { ...options, headers: { ...options.headers, ...timeoutHeaders(1000 * keepaliveSeconds) } },
        ),
      signals: [...this.#target.signals, signal],
      patienceMs: giveUpAfterMs,
      mustWait: ({ error }) => error.code === "deadline_exceeded",
      // Of what the agent has taken already a small piece is enough to ask for the rest.
      onRepeat: () => {
        this.#pieceBytes = Math.max(this.#pieceBytes / 4, MIN_PIECE_BYTES);
      },
    });
    // More than this piece, where a larger one was accepted and its answer lost.
    const accepted = Number(offset) - at;
    if (accepted <= 0 || accepted > rest.length)
      throw new ClientError("data_loss", `the agent accepted ${accepted} bytes of input, of ${rest.length}`);
    this.#acceptedBytes += accepted;
    this.#pieceBytes = Math.min(this.#pieceBytes * 2, MAX_PIECE_BYTES);
    return accepted;
  }

  async #sendClose(signal: AbortSignal | undefined): Promise<void> {
    let repeated = false;
    try {
      await call(this.#link, {
        send: (rpc, options) =>
          rpc.closeStdin({ process: toSelectorMessage(this.#target.processId) }, options),
        signals: [...this.#target.signals, signal],
        patienceMs: this.#link.settings.callRetryMs,
        onRepeat: () => {
          repeated = true;
        },
      });
    } catch (error) {
      // The first one got through: the process read its end of file and ended.
      if (repeated && error instanceof ProcessGoneError) return;
      throw error;
    }
  }

  #inTurn(signal: AbortSignal | undefined, act: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(() => {
      signal?.throwIfAborted();
      return act();
    });
    this.#turn = result.catch(() => {
      // Its caller is told.
    });
    // Not only when its turn comes.
    return signal === undefined ? result : untilAbort(result, signal);
  }
}
