// Follows the state of a terminal through the output that is written to it.

import { Parameters } from "./parameters.ts";
import { render, renderParts } from "./rendition.ts";
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
  WIDE_SETS,
} from "./state.ts";

/** Terminals show less. */
const MAX_TITLE_BYTES = 256;
/** As kitty does; the oldest is dropped. */
const MAX_KEYBOARDS = 8;
/** ESC, an intermediate byte and a final one. */
const MAX_CHARSET_LENGTH = 3;

const onModes = modeTable.reduce((bits, { isOn }, index) => (isOn ? bits | (1 << index) : bits), 0);
const softModes = modeTable.reduce((bits, { isSoft }, index) => (isSoft ? bits | (1 << index) : bits), 0);

export class TerminalTracker {
  readonly #parser: SequenceParser;
  readonly #parameters = new Parameters();
  readonly #rendition: string[];
  /** Its pending sequence and its rendition are set when they are asked for. */
  readonly #now: { -readonly [Key in keyof TerminalState]: TerminalState[Key] };
  #rows: number;
  /** A copy of `#now`; undefined when it is out of date. */
  #shared: TerminalState | undefined;

  /** A terminal of `rows` in `state`. */
  constructor(rows: number, state: TerminalState = initialState) {
    this.#rows = rows;
    this.#now = { ...state, pending: "" };
    this.#rendition = [...state.rendition];
    this.#parser = new SequenceParser({
      finals: "mhlrsqpu",
      escape: (text) => this.#escape(text),
      control: (bytes, from, last) => this.#control(bytes, from, last),
      command: (text) => this.#command(text),
      shift: (to) => {
        this.#now.shift = to;
        this.#shared = undefined;
      },
    });
    if (state.pending !== "") this.#parser.read(Buffer.from(state.pending, "latin1"));
  }

  /** See TerminalState. */
  get title(): string | undefined {
    return this.#now.title;
  }

  /** The same object until something changes. */
  get state(): TerminalState {
    this.#shared ??= { ...this.#now, rendition: [...this.#rendition], pending: this.#parser.pending };
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
    const wideSet = WIDE_SETS.indexOf(text.charAt(0));
    // Within a sequence, such a byte names no set: terminals ignore it.
    if (text.length > 1 && set >= 0 && WIDE_SETS.includes(text.charAt(1))) return;
    if (text.length > 1 && set >= 0) this.#designate(set, text.slice(1));
    else if (text.length > 1 && wideSet >= 0) this.#designate(1 + wideSet, `${text.charAt(0)}${final}`);
    else if (text === "=" || text === ">") this.#setMode(KEYPAD_KEYS, text === "=");
    else if (text === "c") this.#reset();
    else if (text === "n" || text === "o") this.#set({ shift: text === "n" ? 2 : 3 });
  }

  /** The title stays, as on xterm. */
  #reset(): void {
    this.#rendition.fill("");
    this.#set({ ...initialState, title: this.#now.title });
  }

  /** `charset` of a set of 96 characters begins with its introducer. */
  #designate(set: number, charset: string): void {
    if (charset.length > MAX_CHARSET_LENGTH) return;
    this.#set({ charsets: this.#now.charsets.with(set, charset) });
  }

  #control(bytes: Buffer, from: number, last: number): void {
    const parameters = this.#parameters;
    parameters.read(bytes, from, last);
    this.#shared = undefined;
    switch (controlKey(bytes[last] ?? 0, parameters.prefix, parameters.intermediate)) {
      case SGR:
        if (parameters.hasParts) renderParts(this.#rendition, bytes.toString("latin1", from, last));
        else render(this.#rendition, parameters);
        break;
      case SET_DEC_MODES:
        for (let at = 0; at < parameters.length; at++) this.#setDecMode(parameters.at(at, 0), true);
        break;
      case RESET_DEC_MODES:
        for (let at = 0; at < parameters.length; at++) this.#setDecMode(parameters.at(at, 0), false);
        break;
      case SET_MODES:
        for (let at = 0; at < parameters.length; at++)
          this.#setMode(modeBit(parameters.at(at, 0), true), true);
        break;
      case RESET_MODES:
        for (let at = 0; at < parameters.length; at++)
          this.#setMode(modeBit(parameters.at(at, 0), true), false);
        break;
      case SET_REGION:
        this.#setRegion(parameters.at(0, 1), parameters.at(1, this.#rows));
        break;
      case SET_SIDE_MARGINS:
        this.#setSideMargins(parameters.at(0, 1), parameters.at(1, 0));
        break;
      case SET_CURSOR_STYLE:
        this.#now.cursorStyle = parameters.at(0, 0);
        break;
      case SOFT_RESET:
        this.#softReset();
        break;
      case PUSH_KEYBOARD:
        this.#setKeyboard((flags) => [...flags, parameters.at(0, 0)]);
        break;
      case POP_KEYBOARD:
        this.#setKeyboard((flags) => popped(flags, parameters.at(0, 1)));
        break;
      case SET_KEYBOARD:
        this.#setKeyboard((flags) => changedFlags(flags, parameters.at(0, 0), parameters.at(1, 1)));
        break;
      case SET_MODIFIED_KEYS:
        // Without parameters, all resources of this kind are reset.
        if (parameters.at(0, MODIFY_OTHER_KEYS) === MODIFY_OTHER_KEYS)
          this.#now.modifyOtherKeys = parameters.at(1, 0);
        break;
    }
  }

  #setDecMode(number: number, isOn: boolean): void {
    const { screen } = this.#now;
    // A second switch to the alternate screen by any mode changes nothing.
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

  #setRegion(top: number, bottom: number): void {
    const last = Math.min(bottom, this.#rows);
    // Terminals ignore it.
    if (top >= last) return;
    this.#now.region = top === 1 && last === this.#rows ? "" : `${top};${last}`;
  }

  /** `right` 0: the last column. */
  #setSideMargins(left: number, right: number): void {
    // Without this mode, it saves the position of the cursor.
    if (isDefault(this.#now, SIDE_MARGINS)) return;
    if (right !== 0 && left >= right) return;
    this.#now.sideMargins = left === 1 && right === 0 ? "" : `${left};${right === 0 ? "" : right}`;
  }

  #softReset(): void {
    this.#rendition.fill("");
    const { charsets, shift, region, sideMargins } = initialState;
    this.#set({ modes: this.#now.modes & ~softModes, charsets, shift, region, sideMargins });
  }

  #setKeyboard(change: (flags: readonly number[]) => readonly number[]): void {
    const [normal, alternate] = this.#now.keyboards;
    const isNormal = this.#now.screen === 0;
    const changed = change(isNormal ? normal : alternate);
    const flags = changed.length > MAX_KEYBOARDS ? [changed[0] ?? 0, ...changed.slice(2)] : changed;
    this.#set({ keyboards: isNormal ? [flags, alternate] : [normal, flags] });
  }

  #command(text: string): void {
    const [, number, value = ""] = /^([02]);(.*)$/s.exec(text) ?? [];
    if (number !== undefined) this.#set({ title: beginning(value, MAX_TITLE_BYTES) });
  }
}

const KEYPAD_KEYS = modeBit(KEYPAD);
const MODIFY_OTHER_KEYS = 4;

/** The control sequences that are followed: final byte, prefix and intermediate byte. */
function controlKey(final: number, prefix: number, intermediate: number): number {
  return (intermediate << 16) | (prefix << 8) | final;
}

function keyOf(sequence: string): number {
  const [prefix = "", intermediate = "", final = ""] = /^([<=>?]?)([ !]?)(.)$/.exec(sequence)?.slice(1) ?? [];
  return controlKey(final.charCodeAt(0), prefix.charCodeAt(0) || 0, intermediate.charCodeAt(0) || 0);
}

const SGR = keyOf("m");
const SET_DEC_MODES = keyOf("?h");
const RESET_DEC_MODES = keyOf("?l");
const SET_MODES = keyOf("h");
const RESET_MODES = keyOf("l");
const SET_REGION = keyOf("r");
const SET_SIDE_MARGINS = keyOf("s");
const SET_CURSOR_STYLE = keyOf(" q");
const SOFT_RESET = keyOf("!p");
const PUSH_KEYBOARD = keyOf(">u");
const POP_KEYBOARD = keyOf("<u");
const SET_KEYBOARD = keyOf("=u");
const SET_MODIFIED_KEYS = keyOf(">m");

function popped(flags: readonly number[], count: number): readonly number[] {
  return count < flags.length ? flags.slice(0, -count) : [0];
}

function changedFlags(flags: readonly number[], value: number, how: number): readonly number[] {
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
