// The keys that leave a process from a raw terminal, where Ctrl-C and all the others are the process's own.
import { InvalidArgumentError } from "commander";

export interface DetachKeys {
  /** As a person reads it: "ctrl-p ctrl-q". */
  readonly name: string;
  /** As they are typed; none: there is no way to detach by key. */
  readonly bytes: Uint8Array;
}

/** "ctrl-p,ctrl-q": each a character or ctrl- and one of a-z @ [ \ ] ^ _; "none" for none. As docker's. */
export function readDetachKeys(text: string): DetachKeys {
  if (text === "none") return { name: "none", bytes: new Uint8Array() };
  const keys = text.split(",");
  return { name: keys.join(" "), bytes: Uint8Array.from(keys, readKey) };
}

function readKey(key: string): number {
  const [, letter = ""] = /^ctrl-([a-z@[\\\]^_])$/.exec(key) ?? [];
  // A control character is its letter's low five bits.
  if (letter !== "") return letter.charCodeAt(0) & 0x1f;
  if (/^[!-~]$/.test(key)) return key.charCodeAt(0);
  throw new InvalidArgumentError(
    'Keys are characters or ctrl-LETTER, with commas between: ctrl-p,ctrl-q; or "none".',
  );
}

/** Finds the keys in what is typed, in whatever pieces it comes. */
export class DetachKeyScanner {
  readonly #keys: Uint8Array;
  /** The keys' beginning, typed and not passed on: it is theirs, or input, as the next byte decides. */
  #held: number[] = [];

  constructor({ bytes }: DetachKeys) {
    this.#keys = bytes;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** What goes to the process; what follows the keys goes nowhere. */
  scan(typed: Uint8Array): { readonly input: Uint8Array; readonly detach: boolean } {
    const input: number[] = [];
    for (const byte of typed) {
      this.#held.push(byte);
      while (!this.#isBeginning()) input.push(...this.#held.splice(0, 1));
      if (this.isHolding && this.#held.length === this.#keys.length)
        return { input: Uint8Array.from(input), detach: true };
    }
    return { input: Uint8Array.from(input), detach: false };
  }

  /** Gives up waiting for the rest: what was held is input after all. */
  release(): Uint8Array {
    return Uint8Array.from(this.#held.splice(0));
  }

  #isBeginning(): boolean {
    return this.#held.every((byte, at) => byte === this.#keys[at]);
  }
}
