// Output in which every byte shows its offset: `seq` from 10^15 prints lines of 17 bytes. Any piece
// of two lines shows its offset, so a lost, repeated or misplaced byte is detected wherever it is.

import { createHash } from "node:crypto";

const FIRST = 10 ** 15;
export const LINE_BYTES = 17;
const BLOCK_LINES = 1000;
const BLOCK_BYTES = BLOCK_LINES * LINE_BYTES;

/**
 * A shell command that prints `lines` lines; without `lines` it never ends. `skip` lines are left
 * out at the beginning.
 */
export function numbersCommand(lines = 9 * FIRST - 1, skip = 0): string {
  return `seq ${FIRST + skip} ${FIRST + skip + lines - 1}`;
}

/** The first `bytes` of its output. */
export function numbersBytes(bytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(bytes / BLOCK_BYTES) }, (_, block) => numberBlock(block));
  return Buffer.concat(blocks, bytes);
}

/** The hash of its output. `skip` must be a multiple of a thousand. */
export function numbersSha256(lines: number, skip = 0): string {
  const hash = createHash("sha256");
  const first = skip / BLOCK_LINES;
  for (let block = 0; block * BLOCK_LINES < lines; block++)
    hash.update(numberBlock(first + block).subarray(0, (lines - block * BLOCK_LINES) * LINE_BYTES));
  return hash.digest("hex");
}

/**
 * Checks the bytes passed to `push`, from any offset on, and throws at the first byte that is not
 * the next one.
 */
export class NumbersCheck {
  #pending: Buffer | undefined = Buffer.alloc(0);
  #start = 0;
  #at = 0;
  #block = -1;
  #expected = Buffer.alloc(0);

  /** `from`: the required offset of the first byte. */
  constructor(from?: number) {
    if (from === undefined) return;
    this.#pending = undefined;
    this.#start = from;
    this.#at = from;
  }

  /** The offset of the first byte pushed. */
  get start(): number {
    if (this.#pending !== undefined) throw new Error(`too little was received: ${this.#pending}`);
    return this.#start;
  }

  /** The offset after the last byte. */
  get end(): number {
    return this.start + (this.#at - this.#start);
  }

  push(data: Uint8Array): void {
    if (this.#pending === undefined) {
      this.#compare(data);
      return;
    }
    this.#pending = Buffer.concat([this.#pending, data]);
    if (this.#pending.length < 2 * LINE_BYTES) return;
    const begun = this.#pending;
    this.#pending = undefined;
    const lineEnd = begun.indexOf("\n");
    const line = begun.toString("latin1", lineEnd + 1, lineEnd + LINE_BYTES);
    this.#start = (Number(line) - FIRST) * LINE_BYTES - (lineEnd + 1);
    this.#at = this.#start;
    this.#compare(begun);
  }

  #compare(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const block = Math.floor(this.#at / BLOCK_BYTES);
      if (block !== this.#block) this.#expected = numberBlock(block);
      this.#block = block;
      const inBlock = this.#at - block * BLOCK_BYTES;
      const expected = this.#expected.subarray(inBlock, inBlock + data.length - at);
      const found = data.subarray(at, at + expected.length);
      if (expected.compare(found) !== 0) {
        const same = expected.findIndex((byte, index) => byte !== found[index]);
        throw new Error(
          `from ${this.#start} on all is right, but not at ${this.#at + same}: ` +
            `${JSON.stringify(Buffer.from(found).toString("latin1", same, same + 60))} instead of ` +
            `${JSON.stringify(expected.toString("latin1", same, same + 60))}`,
        );
      }
      at += expected.length;
      this.#at += expected.length;
    }
  }
}

const lastDigits = Array.from({ length: BLOCK_LINES }, (_, index) => String(index).padStart(3, "0"));

function numberBlock(block: number): Buffer<ArrayBuffer> {
  const firstDigits = String(FIRST / BLOCK_LINES + block);
  return Buffer.from(`${firstDigits}${lastDigits.join(`\n${firstDigits}`)}\n`, "latin1");
}
