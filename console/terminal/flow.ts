// Back-pressure to a terminal. xterm.js queues the output and discards it beyond 50 MB, so a reader
// waits while more than 256 KiB are not parsed, until fewer than 64 KiB are. Nothing is read from
// the connection meanwhile, and so the process waits.

const HIGH_BYTES = 256 * 1024;
const LOW_BYTES = 64 * 1024;

export class Flow {
  #unparsedBytes = 0;
  #waiting: (() => void) | undefined;

  /** The bytes that the terminal has received and not parsed. */
  get unparsedBytes(): number {
    return this.#unparsedBytes;
  }

  given(bytes: number): void {
    this.#unparsedBytes += bytes;
  }

  parsed(bytes: number): void {
    this.#unparsedBytes -= bytes;
    if (this.#unparsedBytes < LOW_BYTES) this.#waiting?.();
  }

  /** Resolves when more may be given. One caller at a time. */
  async room(): Promise<void> {
    if (this.#unparsedBytes <= HIGH_BYTES) return;
    await new Promise<void>((resolve) => {
      this.#waiting = resolve;
    });
    this.#waiting = undefined;
  }
}
