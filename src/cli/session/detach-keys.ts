// The keys that leave a process from a raw terminal, where the process gets every other key, also Ctrl-C.

import { InvalidArgumentError } from "commander";

export interface DetachKeys {
  /** For people: "ctrl-p ctrl-q". */
  readonly name: string;
  /** The typed bytes. Empty: no key detaches. */
  readonly bytes: Uint8Array;
}

export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

/** For completion. Not ctrl-[, which is Escape, and not ctrl-@, which hardly any keyboard has. */
export const controlKeys: readonly string[] = Array.from(
  "abcdefghijklmnopqrstuvwxyz]^_\\",
  (key) => `ctrl-${key}`,
);

/** "ctrl-p,ctrl-q": each a character, or ctrl- and one of a-z @ [ \ ] ^ _; or "none". As for docker. */
export function readDetachKeys(text: string): DetachKeys {
  if (text === "none") return { name: "none", bytes: new Uint8Array() };
  const keys = text.split(",");
  return { name: keys.join(" "), bytes: Uint8Array.from(keys, readKey) };
}

function readKey(key: string): number {
  const [, letter = ""] = /^ctrl-([a-z@[\\\]^_])$/.exec(key) ?? [];
  // A control character is the low five bits of its letter.
  if (letter !== "") return letter.charCodeAt(0) & 0x1f;
  if (/^[!-~]$/.test(key)) return key.charCodeAt(0);
  throw new InvalidArgumentError(
    'Keys are characters or ctrl-LETTER, separated by commas: ctrl-p,ctrl-q; or "none".',
  );
}

/** Finds the keys in typed input, which may arrive in pieces of any size. */
export class DetachKeyScanner {
  readonly #keys: Uint8Array;
  /** The typed beginning of the keys, not passed on yet: the next bytes decide whether it is input. */
  #held: number[] = [];

  constructor({ bytes }: DetachKeys) {
    this.#keys = bytes;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** `input` is for the process. Bytes after the keys are dropped. */
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

  /** Stops waiting for the rest of the keys: the held bytes are input. */
  release(): Uint8Array {
    return Uint8Array.from(this.#held.splice(0));
  }

  #isBeginning(): boolean {
    return this.#held.every((byte, at) => byte === this.#keys[at]);
  }
}
