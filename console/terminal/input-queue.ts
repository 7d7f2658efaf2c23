// The typed input, in order, with one write in flight at a time: input that is typed meanwhile goes
// with the next write. A paste is sent in pieces, each after the answer to the one before. While
// the agent is out of reach, at most 4 KiB wait; more is refused, and Esc discards the waiting
// input. `write` sends a piece exactly once, however often the connection breaks.

export const PIECE_BYTES = 16 * 1024;
export const MAX_UNSENT_BYTES = 4 * 1024;

export interface InputQueueOptions {
  /** Resolves when the process has accepted all of it. */
  readonly write: (data: Uint8Array) => Promise<void>;
  /** Called when `unsentBytes` has changed. */
  readonly onChange: () => void;
  /** The write failed for good: the process has ended, or it has no input. */
  readonly onFailure: (error: unknown) => void;
}

const ESCAPE = 0x1b;

export class InputQueue {
  readonly #options: InputQueueOptions;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #inFlightBytes = 0;
  #isConnected = false;

  constructor(options: InputQueueOptions) {
    this.#options = options;
  }

  /** The typed input that the process has not accepted yet. */
  get unsentBytes(): number {
    return this.#waitingBytes + this.#inFlightBytes;
  }

  /** Whether Esc can discard something. */
  get isHolding(): boolean {
    return !this.#isConnected && this.#waitingBytes > 0;
  }

  set isConnected(isConnected: boolean) {
    this.#isConnected = isConnected;
    if (isConnected) this.#sendNext();
  }

  /** False: refused, because too much waits already. */
  push(data: Uint8Array): boolean {
    if (data.length === 0) return true;
    if (!this.#isConnected) {
      if (data.length === 1 && data[0] === ESCAPE && this.isHolding) {
        this.discard();
        return true;
      }
      if (this.#waitingBytes + data.length > MAX_UNSENT_BYTES) return false;
    }
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#sendNext();
    this.#options.onChange();
    return true;
  }

  /** Drops all input that is not in flight. */
  discard(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#options.onChange();
  }

  #sendNext(): void {
    if (!this.#isConnected || this.#inFlightBytes > 0 || this.#waitingBytes === 0) return;
    const piece = this.#takePiece();
    this.#inFlightBytes = piece.length;
    this.#options.write(piece).then(
      () => this.#settled(),
      (error: unknown) => {
        this.discard();
        this.#settled();
        this.#options.onFailure(error);
      },
    );
  }

  #settled(): void {
    this.#inFlightBytes = 0;
    this.#options.onChange();
    this.#sendNext();
  }

  #takePiece(): Uint8Array {
    const all = concat(this.#waiting, this.#waitingBytes);
    const piece = all.subarray(0, PIECE_BYTES);
    const rest = all.subarray(PIECE_BYTES);
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#waitingBytes = rest.length;
    return piece;
  }
}

function concat(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const result = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
