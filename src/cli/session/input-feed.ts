// Sends stdin to the process: at the pace of the process, up to the end of file. On a raw terminal it looks for the
// detach keys.

import { setTimeout as sleep } from "node:timers/promises";
import { ClientError, type RemoteProcess } from "../../client/index.ts";
import { messageOf } from "../../text.ts";
import { closeStdin } from "../stdio.ts";
import { AwayKeys } from "./away-keys.ts";
import type { DetachKeyScanner } from "./detach-keys.ts";
import { StdinError } from "./stdin.ts";

/** Read ahead of the process, so that the detach keys work although it does not read. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** After this time without the next key, the typed beginning of the detach keys is sent as input. */
const KEY_HOLD_MS = 500;

/** The time for input that was typed before the detach keys to reach the process. */
const LAST_INPUT_MS = 1_000;

const CLOSE_RETRY_MS = 1_000;

/**
 * A program that was just started may drop what was typed before it has set up its terminal, as bash does. So the end of
 * file is typed again and again, at growing distances, as long as the process runs: a pipe also stays at its end.
 */
const END_AGAIN_MS = { first: 250, most: 30_000 };

/** If the connection is lost for good, the output reports that within this time; otherwise report the lost input. */
const LOSS_NOTICE_MS = 1_000;

/** End of file, typed. */
const CTRL_D = 0x04;
const LINE_FEED = 0x0a;

export interface InputFeedOptions {
  /** Undefined if stdin is not a raw terminal. */
  readonly keys: DetachKeyScanner | undefined;
  readonly onDetachKeys: () => void;
  /** Whether the agent cannot be reached now. */
  readonly isDown: () => boolean;
  /** stdin failed before its end. The input is incomplete, so its end is not sent. */
  readonly onFailure: (error: StdinError) => void;
  /** The raw terminal is gone, which is not an end of file. */
  readonly onHangUp: () => void;
  /** Whether the end of stdin ends the input of the process. */
  readonly endsInput: boolean;
  readonly reportProblem: (message: string) => void;
}

export class InputFeed {
  readonly #process: RemoteProcess;
  readonly #options: InputFeedOptions;
  readonly #awayKeys: AwayKeys;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #lastByte = LINE_FEED;
  #hasEnded = false;
  #isStopped = false;
  /** The process accepts no more input. */
  #isRefused = false;
  #writing: Promise<void> | undefined;
  #keyHold: NodeJS.Timeout | undefined;
  #lossNotice: NodeJS.Timeout | undefined;
  #endAgain: NodeJS.Timeout | undefined;

  /** Starts reading. */
  constructor(remote: RemoteProcess, options: InputFeedOptions) {
    this.#process = remote;
    this.#options = options;
    this.#awayKeys = new AwayKeys({
      leave: options.onDetachKeys,
      retry: () => remote.retryNow(),
      input: (data) => this.#push(data),
    });
    process.stdin.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onError);
  }

  /** The connection is back. */
  reconnected(): void {
    this.#awayKeys.reset();
  }

  /** Stops reading and drops waiting input. */
  stop(): void {
    this.#isStopped = true;
    this.#awayKeys.reset();
    clearTimeout(this.#keyHold);
    clearTimeout(this.#lossNotice);
    clearTimeout(this.#endAgain);
    process.stdin.off("data", this.#onData).off("end", this.#onEnd).pause();
  }

  readonly #onData = (data: Buffer): void => {
    clearTimeout(this.#keyHold);
    const { keys, onDetachKeys, isDown } = this.#options;
    const { input, detach } = keys?.scan(data) ?? { input: data, detach: false };
    if (keys !== undefined && isDown()) {
      if (detach) onDetachKeys();
      else this.#awayKeys.take(input);
    } else this.#push(input);
    if (detach) void Promise.race([this.#writing, sleep(LAST_INPUT_MS)]).then(onDetachKeys);
    else if (keys?.isHolding) this.#keyHold = setTimeout(() => this.#push(keys.release()), KEY_HOLD_MS);
  };

  readonly #onEnd = (): void => {
    if (this.#options.keys !== undefined) {
      this.#options.onHangUp();
    } else {
      this.#hasEnded = true;
      this.#pump();
    }
  };

  readonly #onError = (error: Error): void => {
    // A raw terminal is gone (EIO).
    if (this.#isStopped) return;
    if (this.#options.keys !== undefined) this.#onEnd();
    else this.#options.onFailure(new StdinError(`stdin cannot be read: ${error.message}`));
  };

  #push(data: Uint8Array): void {
    if (data.length === 0 || this.#isStopped || this.#isRefused) return;
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    if (this.#waitingBytes >= MAX_WAITING_BYTES) process.stdin.pause();
    this.#pump();
  }

  #pump(): void {
    this.#writing ??= this.#writeAll()
      .catch((error: unknown) => this.#refuse(error))
      .finally(() => {
        this.#writing = undefined;
      });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#write(this.#takeWaiting());
    if (this.#hasEnded) await this.#sendEnd();
  }

  #takeWaiting(): Uint8Array {
    const data = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (!this.#isStopped) process.stdin.resume();
    return data;
  }

  async #write(data: Uint8Array): Promise<void> {
    this.#lastByte = data.at(-1) ?? LINE_FEED;
    await this.#process.write(data);
  }

  async #sendEnd(): Promise<void> {
    if (!this.#options.endsInput) return;
    if (!this.#process.isPty) return this.#closeProcessStdin();
    // In the middle of a line, the first Ctrl-D only submits the text typed so far.
    await this.#process.write(Uint8Array.from(this.#lastByte === LINE_FEED ? [CTRL_D] : [CTRL_D, CTRL_D]));
    this.#typeEndAgain(END_AGAIN_MS.first);
  }

  #typeEndAgain(afterMs: number): void {
    if (this.#isStopped) return;
    this.#endAgain = setTimeout(() => {
      // Fails if the process has ended or cannot be reached.
      this.#process.write(Uint8Array.of(CTRL_D)).then(
        () => this.#typeEndAgain(Math.min(afterMs * 2, END_AGAIN_MS.most)),
        () => undefined,
      );
    }, afterMs);
  }

  /** Retries as long as the process may be unreachable; the client alone would give up earlier. */
  async #closeProcessStdin(): Promise<void> {
    while (!this.#isStopped) {
      try {
        return await this.#process.closeStdin();
      } catch (error) {
        if (codeOf(error) !== "unavailable") throw error;
        await sleep(CLOSE_RETRY_MS);
      }
    }
  }

  #refuse(error: unknown): void {
    if (this.#isStopped) return;
    this.#isRefused = true;
    // The writer of our stdin gets SIGPIPE, as from the process itself. A terminal still needs its detach keys.
    if (this.#options.keys === undefined) closeStdin();
    const code = codeOf(error);
    const hasEnded = code === "failed_precondition" || code === "not_found" || code === "canceled";
    if (hasEnded) return;
    const notice = `input is lost: ${messageOf(error)}`;
    this.#lossNotice = setTimeout(() => this.#options.reportProblem(notice), LOSS_NOTICE_MS);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ClientError ? error.code : undefined;
}
