// The parameters of a control sequence, read in place: a program that draws a screen writes thousands of
// them for each screen.

/** More than any sequence of use has; the rest is ignored. */
const MAX_PARAMETERS = 64;
/** More than any parameter of use. */
const MAX_NUMBER = 65_535;

const SEMICOLON = 0x3b;
const COLON = 0x3a;
const ZERO = 0x30;

export class Parameters {
  /** 0 for an empty one. */
  readonly numbers = new Int32Array(MAX_PARAMETERS);
  /** 0 if there are none at all. */
  length = 0;
  /** Whether one of them has parts, `4:3`. */
  hasParts = false;
  /** One of < = > and ?, or 0. */
  prefix = 0;
  /** The last intermediate byte, or 0. */
  intermediate = 0;

  /** Reads `bytes` in [from, to). */
  read(bytes: Buffer, from: number, to: number): void {
    let at = from;
    const prefix = bytes[at] ?? 0;
    this.prefix = at < to && prefix >= 0x3c && prefix <= 0x3f ? prefix : 0;
    if (this.prefix !== 0) at++;
    this.hasParts = false;
    this.intermediate = 0;
    let count = 0;
    let number = 0;
    for (const first = at; at < to; at++) {
      const byte = bytes[at] ?? 0;
      if (byte < ZERO) {
        this.intermediate = byte;
        // An intermediate byte without a parameter before it.
        if (at === first) break;
      } else if (byte === SEMICOLON) {
        if (count < MAX_PARAMETERS) this.numbers[count++] = number;
        number = 0;
      } else if (byte === COLON) {
        this.hasParts = true;
      } else {
        number = Math.min(number * 10 + byte - ZERO, MAX_NUMBER);
      }
      if (at === to - 1 && count < MAX_PARAMETERS) this.numbers[count++] = number;
    }
    this.length = count;
  }

  /** The parameter at `index`, or `otherwise` if it is absent or 0. */
  at(index: number, otherwise: number): number {
    return (index < this.length ? this.numbers[index] : 0) || otherwise;
  }
}
