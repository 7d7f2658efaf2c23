// stdin, on its way to the process: at the process's pace, to its end, watched for the detach keys on a raw terminal.
import { setTimeout as sleep } from "node:timers/promises";
import { ClientError, type RemoteProcess } from "../../client/index.ts";
import { messageOf } from "../../text.ts";
import { closeStdin } from "../stdio.ts";
import type { DetachKeyScanner } from "./detach-keys.ts";

/** Read ahead of the process, so that the detach keys are seen although it does not read. */
const MOST_WAITING_BYTES = 1024 * 1024;

/** How long the first of the detach keys is kept from the process when nothing follows it. */
const KEY_HOLD_MS = 500;

/** How long what was typed before the detach keys may take to get through. */
const FAREWELL_MS = 1_000;

const CLOSE_RETRY_MS = 1_000;

/** Where the connection is lost for good, the output says so; else it has to be said that input is. */
const LOSS_NOTICE_MS = 1_000;

/** End of file, typed. */
const CTRL_D = 0x04;
const LINE_FEED = 0x0a;

export interface InputFeedOptions {
  /** On a raw terminal. */
  readonly keys: DetachKeyScanner | undefined;
  readonly onDetachKeys: () => void;
  /** The raw terminal is gone, which is no end of file. */
  readonly onHangUp: () => void;
  /** Whether the process is told when stdin ends. */
  readonly endsInput: boolean;
  readonly trouble: (message: string) => void;
}

export class InputFeed {
  readonly #process: RemoteProcess;
  readonly #options: InputFeedOptions;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #lastByte = LINE_FEED;
  #hasEnded = false;
  #isStopped = false;
  /** The process takes no more. */
  #isRefused = false;
  #writing: Promise<void> | undefined;
  #keyHold: NodeJS.Timeout | undefined;
  #lossNotice: NodeJS.Timeout | undefined;

  /** Begins to read. */
  constructor(remote: RemoteProcess, options: InputFeedOptions) {
    this.#process = remote;
    this.#options = options;
    process.stdin.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onError);
  }

  /** Reads no more; what waits is dropped. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#keyHold);
    clearTimeout(this.#lossNotice);
    process.stdin.off("data", this.#onData).off("end", this.#onEnd).pause();
  }

  readonly #onData = (data: Buffer): void => {
    clearTimeout(this.#keyHold);
    const { keys, onDetachKeys } = this.#options;
    const { input, detach } = keys?.scan(data) ?? { input: data, detach: false };
    this.#push(input);
    if (detach) void Promise.race([this.#writing, sleep(FAREWELL_MS)]).then(onDetachKeys);
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
    // The terminal is gone (EIO), or stdin cannot be read (a folder, say): no more input comes.
    if (this.#isStopped) return;
    if (this.#options.keys === undefined) this.#options.trouble(`stdin cannot be read: ${error.message}`);
    this.#onEnd();
  };

  #push(data: Uint8Array): void {
    if (data.length === 0 || this.#isStopped || this.#isRefused) return;
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    if (this.#waitingBytes >= MOST_WAITING_BYTES) process.stdin.pause();
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
    // Within a line the first one only hands over what was typed of it.
    await this.#process.write(Uint8Array.from(this.#lastByte === LINE_FEED ? [CTRL_D] : [CTRL_D, CTRL_D]));
  }

  /** For as long as the process may be out of reach; the client by itself gives up earlier. */
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
    // Whoever writes to our stdin is told as if it were the process's own: by SIGPIPE. A terminal has its detach keys yet.
    if (this.#options.keys === undefined) closeStdin();
    const code = codeOf(error);
    const isOver = code === "failed_precondition" || code === "not_found" || code === "canceled";
    if (isOver) return;
    const notice = `input is lost: ${messageOf(error)}`;
    this.#lossNotice = setTimeout(() => this.#options.trouble(notice), LOSS_NOTICE_MS);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ClientError ? error.code : undefined;
}
