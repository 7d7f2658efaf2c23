// Where a terminal's output can be divided: between characters and escape sequences. A terminal that has
// read up to such a place holds no unfinished sequence, so its screen can be stored and restored there.
//
// As xterm.js reads: CAN, SUB and ESC end a sequence; a string (OSC, DCS, SOS, PM, APC) ends with ESC \, and
// an OSC also with BEL. The output is UTF-8, so bytes from 0x80 on are parts of characters.

const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;
const ESC = 0x1b;

const TEXT = 0;
const ESCAPE = 1;
const CONTROL = 2;
const COMMAND = 3;
const STRING = 4;

export class Boundaries {
  #state = TEXT;
  /** Bytes of the present character that are missing. */
  #missing = 0;

  /** Whether the bytes so far end between sequences and characters. */
  get isBetween(): boolean {
    return this.#state === TEXT && this.#missing === 0;
  }

  /** Reads `data`; returns how many bytes of it end at the last boundary, 0 if there is none in it. */
  read(data: Uint8Array): number {
    let last = 0;
    for (let at = 0; at < data.length; at++) {
      this.#take(data[at] ?? 0);
      if (this.#state === TEXT && this.#missing === 0) last = at + 1;
    }
    return last;
  }

  #take(byte: number): void {
    if (byte === ESC) {
      this.#missing = 0;
      this.#state = ESCAPE;
    } else if (this.#state === TEXT) {
      this.#takeText(byte);
    } else if (byte === CAN || byte === SUB) {
      this.#state = TEXT;
    } else if (this.#state === ESCAPE) {
      this.#state = afterEscape(byte);
    } else if (this.#state === CONTROL) {
      if (byte >= 0x40 && byte < 0x7f) this.#state = TEXT;
    } else if (this.#state === COMMAND && byte === BEL) {
      this.#state = TEXT;
    }
  }

  #takeText(byte: number): void {
    if (this.#missing > 0 && byte >= 0x80 && byte < 0xc0) this.#missing--;
    else if (byte >= 0xf0 && byte < 0xf8) this.#missing = 3;
    else if (byte >= 0xe0 && byte < 0xf0) this.#missing = 2;
    else if (byte >= 0xc2 && byte < 0xe0) this.#missing = 1;
    else this.#missing = 0;
  }
}

function afterEscape(byte: number): number {
  if (byte === 0x5b) return CONTROL;
  if (byte === 0x5d) return COMMAND;
  // P, X, ^, _
  if (byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) return STRING;
  // Intermediate bytes, and controls that a terminal executes within a sequence.
  return byte < 0x30 ? ESCAPE : TEXT;
}
