// Follows the state of a terminal through the output that is written to it.

import { plainText, rendered } from "./rendition.ts";
import { SequenceParser } from "./sequence-parser.ts";
import {
  initialState,
  isDefault,
  KEYPAD,
  modeBit,
  modeTable,
  mouseEncodings,
  mouseModes,
  SIDE_MARGINS,
  screenModes,
  type TerminalState,
} from "./state.ts";

/** Terminals show less. */
const MAX_TITLE_BYTES = 256;
/** As kitty does; the oldest is dropped. */
const MAX_KEYBOARDS = 8;
/** ESC, an intermediate byte and a final one. */
const MAX_CHARSET_LENGTH = 3;

/** Each has up to MAX_LENGTH characters of sequence-parser.ts. */
const MAX_RENDITIONS = 16;

const onModes = modeTable.reduce((bits, { isOn }, index) => (isOn ? bits | (1 << index) : bits), 0);
const softModes = modeTable.reduce((bits, { isSoft }, index) => (isSoft ? bits | (1 << index) : bits), 0);

export class TerminalTracker {
  readonly #parser: SequenceParser;
  /** Its pending sequence and its rendition are made when they are asked for. */
  readonly #now: { -readonly [Key in keyof TerminalState]: TerminalState[Key] };
  /** The parameters of the SGR sequences that are not in the rendition yet: programs write them most. */
  #renditions: string[] = [];
  #rows: number;
  /** A copy of `#now`; undefined when it is out of date. */
  #shared: TerminalState | undefined;

  /** A terminal of `rows` in `state`. */
  constructor(rows: number, state: TerminalState = initialState) {
    this.#rows = rows;
    this.#now = { ...state, pending: "" };
    this.#parser = new SequenceParser({
      finals: "mhlrsqpu",
      escape: (text) => this.#escape(text),
      control: (text) => this.#control(text),
      command: (text) => this.#command(text),
      shift: (to) => this.#set({ shift: to }),
    });
    if (state.pending !== "") this.#parser.read(Buffer.from(state.pending, "latin1"));
  }

  /** The same object until something changes. */
  get state(): TerminalState {
    if (this.#shared === undefined) {
      this.#render();
      this.#shared = { ...this.#now, pending: this.#parser.pending };
    }
    return this.#shared;
  }

  write(data: Uint8Array): void {
    if (this.#parser.isWithin) this.#shared = undefined;
    this.#parser.read(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    if (this.#parser.isWithin) this.#shared = undefined;
  }

  /** Terminals drop the scroll region when their size changes. */
  resize(rows: number): void {
    this.#rows = rows;
    this.#set({ region: "", sideMargins: "" });
  }

  #set(change: Partial<TerminalState>): void {
    Object.assign(this.#now, change);
    this.#shared = undefined;
  }

  #escape(text: string): void {
    const final = text.at(-1) ?? "";
    const set = "()*+".indexOf(text.charAt(0));
    const wideSet = "-./".indexOf(text.charAt(0));
    if (text.length > 1 && set >= 0) this.#designate(set, text.slice(1));
    else if (text.length > 1 && wideSet >= 0) this.#designate(1 + wideSet, `${text.charAt(0)}${final}`);
    else if (text === "=" || text === ">") this.#setMode(KEYPAD_KEYS, text === "=");
    else if (text === "c") this.#reset();
    else if (text === "n" || text === "o") this.#set({ shift: text === "n" ? 2 : 3 });
  }

  /** The title stays, as on xterm. */
  #reset(): void {
    this.#renditions.length = 0;
    this.#set({ ...initialState, title: this.#now.title });
  }

  #designate(set: number, charset: string): void {
    if (charset.length > MAX_CHARSET_LENGTH) return;
    this.#set({ charsets: this.#now.charsets.with(set, charset) });
  }

  #control(sequence: string): void {
    const final = sequence.charAt(sequence.length - 1);
    const prefix = isPrefix(sequence.charCodeAt(0)) ? sequence.charAt(0) : "";
    let end = sequence.length - 1;
    while (isIntermediate(sequence.charCodeAt(end - 1))) end--;
    const text = sequence.slice(prefix.length, end);
    switch (prefix + sequence.slice(end)) {
      case "m":
        this.#addRendition(text);
        break;
      case "?h":
      case "?l":
        for (const number of numbers(text)) this.#setDecMode(number, final === "h");
        break;
      case "h":
      case "l":
        for (const number of numbers(text)) this.#setMode(modeBit(number, true), final === "h");
        break;
      case "r":
        this.#setRegion(numbers(text));
        break;
      case "s":
        this.#setSideMargins(numbers(text));
        break;
      case " q":
        this.#set({ cursorStyle: numbers(text)[0] ?? 0 });
        break;
      case "!p":
        this.#softReset();
        break;
      case ">u":
        this.#setKeyboard((flags) => [...flags, numbers(text)[0] ?? 0]);
        break;
      case "<u":
        this.#setKeyboard((flags) => popped(flags, Math.max(1, numbers(text)[0] ?? 1)));
        break;
      case "=u":
        this.#setKeyboard((flags) => changedFlags(flags, numbers(text)));
        break;
      case ">m":
        this.#setModifyOtherKeys(numbers(text));
        break;
    }
  }

  #addRendition(parameters: string): void {
    if (parameters === "" || parameters === "0") {
      this.#renditions.length = 0;
      if (this.#now.rendition !== plainText) this.#set({ rendition: plainText });
    } else {
      this.#renditions.push(parameters);
      if (this.#renditions.length >= MAX_RENDITIONS) this.#render();
    }
    this.#shared = undefined;
  }

  #render(): void {
    for (const parameters of this.#renditions)
      this.#now.rendition = rendered(this.#now.rendition, parameters);
    this.#renditions.length = 0;
  }

  #setDecMode(number: number, isOn: boolean): void {
    const { screen } = this.#now;
    // A second switch to the alternate screen changes nothing, whichever its mode.
    if (screenModes.includes(number)) this.#setScreen(isOn ? screen || number : 0);
    // As xterm: the newest one counts, and the end of any is the end of the reports.
    else if (mouseModes.includes(number)) this.#set({ mouse: isOn ? number : 0 });
    else if (mouseEncodings.includes(number)) this.#set({ mouseEncoding: isOn ? number : 0 });
    else this.#setMode(modeBit(number), isOn);
    if (number === SIDE_MARGINS && !isOn) this.#set({ sideMargins: "" });
  }

  /** The keyboard flags of the alternate screen end with it. */
  #setScreen(screen: number): void {
    const [normal, alternate] = this.#now.keyboards;
    this.#set({ screen, keyboards: [normal, screen === 0 ? [0] : alternate] });
  }

  #setMode(bit: number | undefined, isOn: boolean): void {
    if (bit === undefined) return;
    const isDefaultOn = (bit & onModes) !== 0;
    const { modes } = this.#now;
    this.#now.modes = isOn === isDefaultOn ? modes & ~bit : modes | bit;
    this.#shared = undefined;
  }

  #setRegion([top = 1, bottom = 0]: readonly number[]): void {
    const first = Math.max(1, top);
    const last = bottom === 0 || bottom > this.#rows ? this.#rows : bottom;
    // Terminals ignore it.
    if (first >= last) return;
    this.#set({ region: first === 1 && last === this.#rows ? "" : `${first};${last}` });
  }

  #setSideMargins([left = 1, right = 0]: readonly number[]): void {
    // Without this mode, it saves the position of the cursor.
    if (isDefault(this.#now, SIDE_MARGINS)) return;
    const first = Math.max(1, left);
    if (right !== 0 && first >= right) return;
    this.#set({ sideMargins: first === 1 && right === 0 ? "" : `${first};${right === 0 ? "" : right}` });
  }

  #softReset(): void {
    this.#renditions.length = 0;
    const { charsets, shift, region, sideMargins, rendition } = initialState;
    this.#set({ modes: this.#now.modes & ~softModes, charsets, shift, region, sideMargins, rendition });
  }

  #setKeyboard(change: (flags: readonly number[]) => readonly number[]): void {
    const [normal, alternate] = this.#now.keyboards;
    const isNormal = this.#now.screen === 0;
    const changed = change(isNormal ? normal : alternate);
    const flags = changed.length > MAX_KEYBOARDS ? [changed[0] ?? 0, ...changed.slice(2)] : changed;
    this.#set({ keyboards: isNormal ? [flags, alternate] : [normal, flags] });
  }

  #setModifyOtherKeys([resource = 0, value = 0]: readonly number[]): void {
    // Without parameters, all such resources are reset.
    if (resource === 0 || resource === MODIFY_OTHER_KEYS) this.#set({ modifyOtherKeys: value });
  }

  #command(text: string): void {
    const [, number, value = ""] = /^([02]);(.*)$/s.exec(text) ?? [];
    if (number !== undefined) this.#set({ title: beginning(value, MAX_TITLE_BYTES) });
  }
}

const KEYPAD_KEYS = modeBit(KEYPAD);
const MODIFY_OTHER_KEYS = 4;
/** More than any parameter of use. */
const MAX_NUMBER = 65_535;

/** An empty parameter is 0; none at all gives no number. */
function numbers(text: string): number[] {
  if (text === "") return [];
  return text.split(";").map((parameter) => Math.min(Number.parseInt(parameter, 10) || 0, MAX_NUMBER));
}

function isPrefix(code: number): boolean {
  return code >= 0x3c && code <= 0x3f;
}

function isIntermediate(code: number): boolean {
  return code >= 0x20 && code <= 0x2f;
}

function popped(flags: readonly number[], count: number): readonly number[] {
  return count < flags.length ? flags.slice(0, -count) : [0];
}

function changedFlags(flags: readonly number[], [value = 0, how = 1]: readonly number[]): readonly number[] {
  const present = flags.at(-1) ?? 0;
  const changed = how === 2 ? present | value : how === 3 ? present & ~value : value;
  return flags.with(-1, changed);
}

/** At most `maxBytes` of `text`, one byte per character, not within a character of UTF-8. */
function beginning(text: string, maxBytes: number): string {
  if (text.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && (text.charCodeAt(end) & 0xc0) === 0x80) end--;
  return text.slice(0, end);
}
