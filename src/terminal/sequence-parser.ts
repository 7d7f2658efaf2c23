// Finds control sequences in a terminal's output, which arrives in pieces of any size. Holds at most
// one unfinished sequence, of bounded length. A longer one is read to its end and ignored; of a longer
// title, the beginning is used.
//
//   ESC [ parameters final       ESC ] text BEL       ESC ] text ESC \       ESC intermediates final
//
// Text is skipped with memchr, and a control sequence that does not matter costs a look at each of its
// bytes: a program that draws a screen writes one for every few characters. The 8-bit controls (0x80 to 0x9f) are text: terminals read UTF-8.

export interface SequenceHandler {
  /** `ESC text`, of intermediate bytes and one final byte. */
  escape(text: string): void;
  /**
   * A CSI: `bytes` from `from` on are its parameters and intermediate bytes, and its final byte, one of
   * `finals`, is at `last`. A string would cost more than all the rest.
   */
  control(bytes: Buffer, from: number, last: number): void;
  /** The final bytes of the control sequences that matter. */
  readonly finals: string;
  /** `OSC text`. */
  command(text: string): void;
  /** Shift out (1) and shift in (0). */
  shift(to: 0 | 1): void;
}

type Kind =
  | "ground"
  | "escape"
  | "control"
  | "command"
  /** DCS, SOS, PM or APC, whose text is not kept. */
  | "string"
  /** After an ESC in a command or a string, which a `\` ends. */
  | "command escape"
  | "string escape";

const BEL = 0x07;
const SHIFT_OUT = 0x0e;
const SHIFT_IN = 0x0f;
const CAN = 0x18;
const SUB = 0x1a;
const ESC = 0x1b;
const BACKSLASH = 0x5c;
const DELETE = 0x7f;
const OPEN_BRACKET = 0x5b;

/** The sequences that are followed are shorter, but for titles. */
const MAX_LENGTH = 512;

/** Text up to this length is searched here: a call of memchr costs as much as 60 bytes. */
const NEAR_BYTES = 64;

/** A title: `0;`, `1;` or `2;`. */
const TITLE = /^[012];/;

/** No terminal has a command with this number. */
const UNKNOWN_COMMAND = "\x1b]999999;";

export class SequenceParser {
  readonly #handler: SequenceHandler;
  #kind: Kind = "ground";
  /** Of the present sequence, behind its introducer: one byte more than the limit, if it is too long. */
  readonly #bytes = Buffer.allocUnsafeSlow(MAX_LENGTH + 1);
  #length = 0;

  /** By final byte. */
  readonly #matters = new Uint8Array(256);

  constructor(handler: SequenceHandler) {
    this.#handler = handler;
    for (const final of Buffer.from(handler.finals)) this.#matters[final] = 1;
  }

  /** Whether the output so far ends within a sequence. */
  get isWithin(): boolean {
    return this.#kind !== "ground";
  }

  /**
   * A beginning of a sequence, as latin1, after which the rest of the output has the same effect on this
   * parser, and no other on a terminal than the rest of a broken sequence; "" between sequences.
   */
  get pending(): string {
    const end = this.#kind.endsWith(" escape") ? "\x1b" : "";
    // PM, which every terminal ignores.
    if (this.#kind.startsWith("string")) return `\x1b^${end}`;
    if (this.#kind.startsWith("command")) return this.#command + end;
    if (this.#kind === "control") return `\x1b[${this.#text}`;
    return this.#kind === "escape" ? `\x1b${this.#text}` : "";
  }

  /** Calls the handler for each sequence that ends in `data`. */
  read(data: Buffer): void {
    const { length } = data;
    // Searched once per call: they are rare, and memchr would run to the end each time.
    let shiftOut = -2;
    let shiftIn = -2;
    for (let at = 0; at < length; ) {
      if (this.#kind !== "ground") {
        at = this.#takeWithin(data, at);
        continue;
      }
      const near = Math.min(length, at + NEAR_BYTES);
      while (at < near && !isControl(data[at])) at++;
      if (at === near && at < length) {
        if (shiftOut !== -1 && shiftOut < at) shiftOut = data.indexOf(SHIFT_OUT, at);
        if (shiftIn !== -1 && shiftIn < at) shiftIn = data.indexOf(SHIFT_IN, at);
        at = first(first(first(length, shiftOut), shiftIn), data.indexOf(ESC, at));
      }
      if (at < length) at = this.#takeControl(data, at);
    }
  }

  /** The sequence that begins at `at`, if it is whole and simple; else its first byte. Returns the next place. */
  #takeControl(data: Buffer, at: number): number {
    if (data[at] !== ESC) {
      this.#takeShift(data[at] ?? 0);
      return at + 1;
    }
    if (data[at + 1] === OPEN_BRACKET) {
      let end = at + 2;
      let byte = data[end] ?? 0;
      while (byte >= 0x20 && byte < 0x40) byte = data[++end] ?? 0;
      if (byte >= 0x40 && byte < DELETE && end - at <= MAX_LENGTH) {
        if (this.#matters[byte] === 1) this.#handler.control(data, at + 2, end);
        return end + 1;
      }
    }
    this.#begin("escape");
    return at + 1;
  }

  /** One byte within a sequence, or many that are not kept. Returns the next place. */
  #takeWithin(data: Buffer, at: number): number {
    let next = at;
    if (this.#kind === "string" || (this.#kind === "command" && this.#length > MAX_LENGTH))
      while (next < data.length && !endsString(data[next])) next++;
    if (next < data.length) this.#take(data[next++] ?? 0);
    return next;
  }

  #take(byte: number): void {
    if (byte === ESC) this.#takeEscape();
    else if (byte === CAN || byte === SUB) this.#begin("ground");
    else if (this.#kind === "escape") this.#takeInEscape(byte);
    else if (this.#kind === "control") this.#takeInSequence(byte, "control", 0x40);
    else if (this.#kind === "command") this.#takeInCommand(byte);
    else if (this.#kind === "command escape") this.#takeAfterString(byte, "command");
    else if (this.#kind === "string escape") this.#takeAfterString(byte, "none");
  }

  /** An ESC ends every other sequence, except a string that a `\` ends next. */
  #takeEscape(): void {
    if (this.#kind === "command") this.#kind = "command escape";
    else if (this.#kind === "string") this.#kind = "string escape";
    else this.#begin("escape");
  }

  #takeInCommand(byte: number): void {
    if (byte === BEL) this.#end("command");
    else this.#keep(byte);
  }

  #takeAfterString(byte: number, ended: "command" | "none"): void {
    if (byte === BACKSLASH) {
      this.#end(ended);
    } else {
      // The string is abandoned, and its ESC begins another sequence.
      this.#begin("escape");
      this.#takeInEscape(byte);
    }
  }

  #takeInEscape(byte: number): void {
    const kind = this.#length === 0 ? introduced(byte) : undefined;
    if (kind !== undefined) this.#begin(kind);
    else this.#takeInSequence(byte, "escape", 0x30);
  }

  #takeInSequence(byte: number, kind: "escape" | "control", firstFinal: number): void {
    if (byte < 0x20 || byte === DELETE) {
      this.#takeShift(byte);
    } else if (byte > DELETE) {
      this.#begin("ground");
    } else {
      this.#keep(byte);
      if (byte >= firstFinal) this.#end(kind);
    }
  }

  /** Other control characters change nothing that is followed, also within a sequence. */
  #takeShift(byte: number): void {
    if (byte === SHIFT_OUT) this.#handler.shift(1);
    if (byte === SHIFT_IN) this.#handler.shift(0);
  }

  #keep(byte: number): void {
    if (this.#length <= MAX_LENGTH) this.#bytes[this.#length++] = byte;
  }

  #begin(kind: Kind): void {
    this.#kind = kind;
    this.#length = 0;
  }

  #end(kind: "escape" | "control" | "command" | "none"): void {
    const length = this.#length;
    const bytes = this.#bytes;
    const isTooLong = length > MAX_LENGTH;
    const text = kind === "control" ? "" : this.#text;
    this.#begin("ground");
    if (kind === "control") {
      if (!isTooLong && this.#matters[bytes[length - 1] ?? 0] === 1)
        this.#handler.control(bytes, 0, length - 1);
    } else if (kind === "command") {
      if (!isTooLong || TITLE.test(text)) this.#handler.command(text);
    } else if (kind === "escape" && !isTooLong) {
      this.#handler.escape(text);
    }
  }

  get #text(): string {
    return this.#bytes.toString("latin1", 0, this.#length);
  }

  get #command(): string {
    const text = this.#text;
    return text.length <= MAX_LENGTH || TITLE.test(text) ? `\x1b]${text}` : UNKNOWN_COMMAND;
  }
}

/** ESC, shift out or shift in. */
function isControl(byte: number | undefined): boolean {
  return byte === ESC || byte === SHIFT_OUT || byte === SHIFT_IN;
}

function endsString(byte: number | undefined): boolean {
  return byte === ESC || byte === CAN || byte === SUB || byte === BEL;
}

/** `next` is a place, or negative if there is none. */
function first(place: number, next: number): number {
  return next >= 0 && next < place ? next : place;
}

function introduced(byte: number): Kind | undefined {
  switch (byte) {
    case OPEN_BRACKET:
      return "control";
    case 0x5d: // ]
      return "command";
    case 0x50: // P
    case 0x58: // X
    case 0x5e: // ^
    case 0x5f: // _
      return "string";
    default:
      return undefined;
  }
}
