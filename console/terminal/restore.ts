// Sequences that bring a terminal into a state that its output does not bring it into: after a gap, and after
// a reload.

/** The part of xterm.js's terminal that is used. */
export interface ScrollingTerminal {
  readonly buffer: {
    readonly active: { readonly type: string; readonly cursorX: number; readonly cursorY: number };
  };
}

const CANCEL = "\x18";
const SOFT_RESET = "\x1b[!p";
const MOUSE_OFF = "\x1b[?9;1000;1002;1003;1005;1006;1015;1016l";
const MODES_OFF = "\x1b[?1;45;66;1004;2004l\x1b[4l\x1b[?7;25h";
const NORMAL_SCREEN = "\x1b[?1049l";

interface Gap {
  /** Nothing is on the screen yet. */
  readonly isFirst: boolean;
  /** The terminal is on its alternate screen. */
  readonly isAlternate: boolean;
  readonly text: string;
  /** The agent's: for a terminal in its initial state. */
  readonly restore: Uint8Array | undefined;
}

export function afterGap({ isFirst, isAlternate, text, restore }: Gap): Uint8Array {
  const encoder = new TextEncoder();
  const state = restore ?? new Uint8Array();
  if (isFirst) return state;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is a control sequence.
  const staysAlternate = /\x1b\[\?(47|1047|1049)h/.test(new TextDecoder("latin1").decode(state));
  const leave = isAlternate && !staysAlternate ? NORMAL_SCREEN : "";
  const line = isAlternate ? "" : `\x1b[0m\r\n\x1b[90m── ${text} ──\x1b[0m\r\n`;
  const head = encoder.encode(CANCEL + leave + MOUSE_OFF + MODES_OFF + SOFT_RESET + line);
  const result = new Uint8Array(head.length + state.length);
  result.set(head);
  result.set(state, head.length);
  return result;
}

/**
 * The state that the serializer of xterm.js leaves out: whether the cursor is shown, the scroll
 * region, the mouse's encoding.
 */
export function restoredModes(terminal: ScrollingTerminal): string {
  // No public interface has them. Without them (another version of xterm.js) the next full drawing repairs it.
  const core = (terminal as unknown as { _core?: XtermCore })._core;
  if (core === undefined) return "";
  const { cursorX, cursorY } = terminal.buffer.active;
  const { scrollTop, scrollBottom } = core.buffer ?? { scrollTop: 0, scrollBottom: core.rows - 1 };
  const hasRegion = scrollTop !== 0 || scrollBottom !== core.rows - 1;
  return [
    hasRegion ? `\x1b[${scrollTop + 1};${scrollBottom + 1}r\x1b[${cursorY + 1};${cursorX + 1}H` : "",
    core.coreService?.isCursorHidden ? "\x1b[?25l" : "",
    core.coreMouseService?.activeEncoding === "SGR" ? "\x1b[?1006h" : "",
  ].join("");
}

interface XtermCore {
  readonly rows: number;
  readonly buffer?: { readonly scrollTop: number; readonly scrollBottom: number };
  readonly coreService?: { readonly isCursorHidden: boolean };
  readonly coreMouseService?: { readonly activeEncoding: string };
}
