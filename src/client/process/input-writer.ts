// Writes one process's input, exactly once. Every piece carries its offset, so a piece can be sent
// again when its answer was lost. One piece is in flight at a time.
//
// The agent counts the bytes of each writer by the writer's name. A write that was given up may
// still be accepted later, and the count is then unknown: the next write uses a new name and starts
// at 0.
//
// A process that does not read makes its writer wait, without a limit. To distinguish that from a dead
// connection, each try carries a time limit: the agent's answer that it expired is a sign of life.

import { untilAbort } from "../abort.ts";
import { ClientError, ProcessGoneError } from "../client-errors.ts";
import { timeoutHeaders, toSelectorMessage } from "../messages.ts";
import { callWithRetries } from "../retry/retried-call.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { CallOptions } from "../types.ts";

/**
 * Doubles while pieces are accepted, so that a long distance costs few round trips. Shrinks on a
 * connection that keeps breaking.
 */
const FIRST_PIECE_BYTES = 64 * 1024;
const MIN_PIECE_BYTES = 1024;
const MAX_PIECE_BYTES = 1024 * 1024;

export interface InputTarget {
  readonly processId: string;
  readonly kind: "stdin" | "pty";
  /** Each of them ends all writes. */
  readonly signals: readonly (AbortSignal | undefined)[];
}

export class InputWriter {
  readonly #link: AgentLink;
  readonly #target: InputTarget;
  #writer: string;
  #acceptedBytes = 0;
  #pieceBytes = FIRST_PIECE_BYTES;
  /** Resolves when all earlier writes have settled. Never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(link: AgentLink, target: InputTarget) {
    this.#link = link;
    this.#writer = link.settings.randomId();
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

  /** Later writes use a new name and start at 0. A write that is in progress may fail. */
  restart(): void {
    this.#turn = this.#turn.then(() => this.#rename());
  }

  async #send(data: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    let done = 0;
    try {
      while (done < data.length) done += await this.#sendPiece(data.subarray(done), signal);
    } catch (error) {
      this.#rename();
      throw error;
    }
  }

  #rename(): void {
    this.#writer = this.#link.settings.randomId();
    this.#acceptedBytes = 0;
  }

  /** Sends the beginning of `rest`; returns how many bytes of it were accepted. */
  async #sendPiece(rest: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    const { processId, kind } = this.#target;
    const { giveUpAfterMs, keepaliveSeconds } = this.#link.settings;
    const at = this.#acceptedBytes;
    const { offset } = await callWithRetries(this.#link, {
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
      // A small piece is enough to ask how much the agent has accepted.
      onRepeat: () => {
        this.#pieceBytes = Math.max(this.#pieceBytes / 4, MIN_PIECE_BYTES);
      },
    });
    // The answer is larger than this piece if an earlier, larger piece was accepted and its answer
    // was lost.
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
      await callWithRetries(this.#link, {
        send: (rpc, options) =>
          rpc.closeStdin({ process: toSelectorMessage(this.#target.processId) }, options),
        signals: [...this.#target.signals, signal],
        patienceMs: this.#link.settings.callRetryMs,
        onRepeat: () => {
          repeated = true;
        },
      });
    } catch (error) {
      // The first try was accepted: the process read its end of file and ended.
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
      // The caller of that write handles its error.
    });
    // An abort ends the wait for the turn as well.
    return signal === undefined ? result : untilAbort(result, signal);
  }
}
