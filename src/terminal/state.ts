// The state of a terminal that outlives the program's present screen: everything that a program sets
// once and relies on afterwards. Not the text, and not the position of the cursor.

import { plainText, type Rendition } from "./rendition.ts";

/** Immutable. Of bounded size: the longest parts are a title and one unfinished sequence. */
export interface TerminalState {
  /** The mode that switched to the alternate screen: 47, 1047 or 1049; 0 on the normal screen. */
  readonly screen: number;
  /** A bit for each mode of `modeTable` that is not at its default. */
  readonly modes: number;
  /** The mode that reports the mouse; 0: none. Terminals have one of them on at a time. */
  readonly mouse: number;
  /** The mode that encodes the reports of the mouse; 0: the original encoding. */
  readonly mouseEncoding: number;
  /** DECSCUSR; 0: the terminal's own. */
  readonly cursorStyle: number;
  /** The character sets G0 to G3, as in the sequence: "B" for ASCII. */
  readonly charsets: readonly string[];
  /** Which of them is in use. */
  readonly shift: number;
  /** The scroll region, "TOP;BOTTOM"; "" for the whole screen. */
  readonly region: string;
  /** The left and right margins, "LEFT;RIGHT"; "" for the whole width. */
  readonly sideMargins: string;
  /** Bytes as latin1; undefined if the program has set none. */
  readonly title: string | undefined;
  /** Flags of the kitty keyboard protocol, of the normal and the alternate screen; the last is in use. */
  readonly keyboards: readonly [readonly number[], readonly number[]];
  /** xterm's modifyOtherKeys; 0: off. */
  readonly modifyOtherKeys: number;
  readonly rendition: Rendition;
  /** The sequence that the output so far ends within, as latin1: a terminal has to receive it first. */
  readonly pending: string;
}

export const initialState: TerminalState = {
  screen: 0,
  modes: 0,
  mouse: 0,
  mouseEncoding: 0,
  cursorStyle: 0,
  charsets: ["B", "B", "B", "B"],
  shift: 0,
  region: "",
  sideMargins: "",
  title: undefined,
  keyboards: [[0], [0]],
  modifyOtherKeys: 0,
  rendition: plainText,
  pending: "",
};

export interface Mode {
  readonly number: number;
  /** ECMA-48 instead of DEC: `CSI 4 h`, not `CSI ? 4 h`. */
  readonly isAnsi?: true;
  /** The default is on. */
  readonly isOn?: true;
  /** DECSTR resets it. */
  readonly isSoft?: true;
}

/** At most 31, one bit each. */
export const modeTable: readonly Mode[] = [
  { number: 4, isAnsi: true, isSoft: true }, // insert
  { number: 20, isAnsi: true }, // new line
  { number: 1, isSoft: true }, // application cursor keys
  { number: 5 }, // reverse video
  { number: 6, isSoft: true }, // origin
  { number: 7, isOn: true, isSoft: true }, // autowrap
  { number: 12 }, // blinking cursor
  { number: 25, isOn: true, isSoft: true }, // visible cursor
  { number: 45 }, // reverse wrap
  { number: 66, isSoft: true }, // application keypad, also ESC = and ESC >
  { number: 69, isSoft: true }, // left and right margins
  { number: 1004 }, // reports of the focus
  { number: 1007 }, // the wheel sends cursor keys
  { number: 2004 }, // bracketed paste
  { number: 2026 }, // synchronized output
  { number: 2027 }, // grapheme clusters
  { number: 2031 }, // reports of the color scheme
  { number: 2048 }, // reports of the size
];

export const KEYPAD = 66;
export const SIDE_MARGINS = 69;

/** They designate a set of 96 characters as G1, G2 and G3. */
export const WIDE_SETS = "-./";

export const screenModes: readonly number[] = [47, 1047, 1049];
export const mouseModes: readonly number[] = [9, 1000, 1001, 1002, 1003];
export const mouseEncodings: readonly number[] = [1005, 1006, 1015, 1016];

const bits = new Map(modeTable.map(({ number, isAnsi }, index) => [modeKey(number, isAnsi), 1 << index]));

/** The bit of a mode in TerminalState.modes; undefined if it is not followed. */
export function modeBit(number: number, isAnsi?: boolean): number | undefined {
  return bits.get(modeKey(number, isAnsi));
}

/** A DEC mode. */
export function isDefault(state: TerminalState, number: number): boolean {
  return (state.modes & (modeBit(number) ?? 0)) === 0;
}

function modeKey(number: number, isAnsi: boolean | undefined): number {
  return isAnsi === true ? -number : number;
}
