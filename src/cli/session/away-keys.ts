// The keys that mean something to this command while the connection is lost and the terminal is
// raw: q or Ctrl-C leaves, Enter tries to reconnect now. Everything else, and everything after it,
// is input: a person may continue to type without noticing the loss, and all input must arrive.

const CTRL_C = 0x03;
const ENTER: readonly number[] = [0x0d, 0x0a];
const LETTER_Q = 0x71;

/** A q alone leaves. After this time without another key it is alone. */
const ALONE_MS = 400;

export interface AwayKeysOptions {
  readonly leave: () => void;
  readonly retry: () => void;
  /** Takes the keys that are input after all. */
  readonly input: (data: Uint8Array) => void;
}

export class AwayKeys {
  readonly #options: AwayKeysOptions;
  /** Text was typed during this loss. */
  #hasTyped = false;
  #heldQ: NodeJS.Timeout | undefined;

  constructor(options: AwayKeysOptions) {
    this.#options = options;
  }

  /** Takes keys that were typed while the connection is lost. */
  take(typed: Uint8Array): void {
    if (typed.length === 0) return;
    const { leave, retry, input } = this.#options;
    const all = this.#heldQ === undefined ? typed : Uint8Array.of(LETTER_Q, ...typed);
    this.#releaseHold();
    if (all.includes(CTRL_C)) {
      leave();
      return;
    }
    const [first = 0] = all;
    const isCommand = !this.#hasTyped && all.length === 1;
    if (isCommand && first === LETTER_Q) {
      this.#heldQ = setTimeout(leave, ALONE_MS);
      return;
    }
    if (all.some((byte) => ENTER.includes(byte))) retry();
    if (isCommand && ENTER.includes(first)) return;
    this.#hasTyped = true;
    input(all);
  }

  /** The connection is back, or the session ends. A q that is held is input. */
  reset(): void {
    if (this.#heldQ !== undefined) this.#options.input(Uint8Array.of(LETTER_Q));
    this.#releaseHold();
    this.#hasTyped = false;
  }

  #releaseHold(): void {
    clearTimeout(this.#heldQ);
    this.#heldQ = undefined;
  }
}
