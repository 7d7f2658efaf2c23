// The output that brings a terminal into a state, and back to its initial one. Only what differs from
// the initial state is written: on a terminal in its initial state, both are empty.

import { renditionParameters } from "./rendition.ts";
import {
  initialState,
  isDefault,
  KEYPAD,
  type Mode,
  modeTable,
  mouseEncodings,
  mouseModes,
  SIDE_MARGINS,
  type TerminalState,
  WIDE_SETS,
} from "./state.ts";

const CSI = "\x1b[";
const SAVE_CURSOR = "\x1b7";
const RESTORE_CURSOR = "\x1b8";
const CANCEL = "\x18";
const G_INTRODUCERS = ["(", ")", "*", "+"];
/** By their number in TerminalState.shift. */
const SHIFTS = ["\x0f", "\x0e", "\x1bn", "\x1bo"];

/** For a terminal in its initial state. Ends within a sequence if `state.pending` does. */
export function restoreSequence(state: TerminalState): Buffer {
  const [normalKeyboard, alternateKeyboard] = state.keyboards;
  const text = [
    pushKeyboards(normalKeyboard),
    state.screen === 0 ? "" : `${CSI}?${state.screen}h`,
    pushKeyboards(alternateKeyboard),
    state.title === undefined ? "" : `\x1b]2;${state.title}\x1b\\`,
    restoreMargins(state),
    ...state.charsets.map((charset, index) => designate(index, charset)),
    state.shift === 0 ? "" : SHIFTS[state.shift],
    ...changedModes(state, ({ isOn }) => isOn !== true),
    state.mouse === 0 ? "" : `${CSI}?${state.mouse}h`,
    state.mouseEncoding === 0 ? "" : `${CSI}?${state.mouseEncoding}h`,
    state.cursorStyle === 0 ? "" : `${CSI}${state.cursorStyle} q`,
    state.modifyOtherKeys === 0 ? "" : `${CSI}>4;${state.modifyOtherKeys}m`,
    rendition(state),
    state.pending,
  ];
  return Buffer.from(text.join(""), "latin1");
}

/**
 * From `state` back to the initial state, on the normal screen with its cursor as it was. The title
 * stays: a terminal does not report the one before.
 */
export function resetSequence(state: TerminalState): Buffer {
  const [normalKeyboard, alternateKeyboard] = state.keyboards;
  const text = [
    state.pending === "" ? "" : CANCEL,
    popKeyboards(alternateKeyboard),
    ...changedModes(state, ({ isOn }) => isOn === true),
    // All of a kind: some terminals have several on at a time.
    state.mouse === 0 ? "" : `${CSI}?${mouseModes.join(";")}l`,
    state.mouseEncoding === 0 ? "" : `${CSI}?${mouseEncodings.join(";")}l`,
    state.modifyOtherKeys === 0 ? "" : `${CSI}>4;0m`,
    resetMargins(state),
    state.shift === 0 ? "" : SHIFTS[0],
    ...state.charsets.map((charset, index) => (charset === "B" ? "" : designate(index, "B", true))),
    state.cursorStyle === 0 ? "" : `${CSI}0 q`,
    rendition(state) === "" ? "" : `${CSI}m`,
    state.screen === 0 ? "" : `${CSI}?${state.screen}l`,
    popKeyboards(normalKeyboard),
  ];
  return Buffer.from(text.join(""), "latin1");
}

function rendition(state: TerminalState): string {
  const parameters = renditionParameters(state.rendition);
  return parameters === "" ? "" : `${CSI}${parameters}m`;
}

/** `isOn` says which modes to switch on; the others are switched off. */
function changedModes(state: TerminalState, isOn: (mode: Mode) => boolean): string[] {
  return modeTable
    .filter((mode, index) => (state.modes & (1 << index)) !== 0 && !isMargins(mode))
    .map((mode) => modeSequence(mode, isOn(mode)));
}

function modeSequence({ number, isAnsi }: Mode, isOn: boolean): string {
  // tmux does not know its mode.
  if (number === KEYPAD && isAnsi !== true) return isOn ? "\x1b=" : "\x1b>";
  return `${CSI}${isAnsi ? "" : "?"}${number}${isOn ? "h" : "l"}`;
}

function isMargins({ number, isAnsi }: Mode): boolean {
  return number === SIDE_MARGINS && isAnsi !== true;
}

function designate(index: number, charset: string, always = false): string {
  if (charset === initialState.charsets[index] && !always) return "";
  // A set of 96 characters has the introducer within it.
  return `\x1b${WIDE_SETS.includes(charset.charAt(0)) ? "" : G_INTRODUCERS[index]}${charset}`;
}

/** Setting a region moves the cursor. */
function restoreMargins(state: TerminalState): string {
  const side = isDefault(state, SIDE_MARGINS) ? "" : `${CSI}?${SIDE_MARGINS}h`;
  const margins = [
    side,
    state.sideMargins === "" ? "" : `${CSI}${state.sideMargins}s`,
    state.region === "" ? "" : `${CSI}${state.region}r`,
  ].join("");
  return keepingCursor(margins, state);
}

function resetMargins(state: TerminalState): string {
  const side = isDefault(state, SIDE_MARGINS) ? "" : `${CSI}?${SIDE_MARGINS}l`;
  return keepingCursor(side + (state.region === "" ? "" : `${CSI}r`), state);
}

/** The mode 1049 keeps the cursor of the normal screen in the same place as ESC 7 on some terminals. */
function keepingCursor(text: string, { screen }: TerminalState): string {
  return text === "" || screen === 1049 ? text : SAVE_CURSOR + text + RESTORE_CURSOR;
}

function pushKeyboards([base = 0, ...pushed]: readonly number[]): string {
  return [base === 0 ? "" : `${CSI}=${base};1u`, ...pushed.map((flags) => `${CSI}>${flags}u`)].join("");
}

function popKeyboards([base = 0, ...pushed]: readonly number[]): string {
  return [pushed.length === 0 ? "" : `${CSI}<${pushed.length}u`, base === 0 ? "" : `${CSI}=0;1u`].join("");
}
