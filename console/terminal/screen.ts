// One xterm.js terminal with its add-ons, its look, its keys, and what the output may ask of the browser.

import { FitAddon } from "@xterm/addon-fit";
import { SerializeAddon } from "@xterm/addon-serialize";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type ITheme, Terminal } from "@xterm/xterm";
import { FONT_PX, TERMINAL_FONT } from "../ui/pane-size.ts";

const MIN_FONT_PX = 8;
const MAX_FONT_PX = 32;
const LINKS = /^(https?|mailto):/i;

const dark: ITheme = {
  background: "#0e1216",
  foreground: "#d5dbe1",
  cursor: "#7cc4ff",
  selectionBackground: "#2f4a63",
  black: "#30363d",
  red: "#f2777a",
  green: "#8ac779",
  yellow: "#dfb45f",
  blue: "#6cb2f0",
  magenta: "#c695e0",
  cyan: "#5fc4c0",
  white: "#d5dbe1",
  brightBlack: "#7d8894",
};
const light: ITheme = {
  background: "#ffffff",
  foreground: "#1d242b",
  cursor: "#0b62b0",
  selectionBackground: "#b9d8f3",
  black: "#1d242b",
  red: "#b3261e",
  green: "#2a7a2f",
  yellow: "#8a5a00",
  blue: "#0b62b0",
  magenta: "#83389b",
  cyan: "#0a7272",
  white: "#5b6670",
  brightBlack: "#6b7680",
  brightWhite: "#3a444d",
};

export interface ScreenOptions {
  readonly cols: number;
  readonly rows: number;
  readonly scrollback: number;
  readonly isReadOnly: boolean;
  readonly turnsNewLines: boolean;
}

/** The padding, and the scroll bar. */
const AROUND_PX = { width: 22, height: 4 };

export class Screen {
  readonly terminal: Terminal;
  readonly #serialize = new SerializeAddon();
  readonly #fit = new FitAddon();
  readonly #media = matchMedia("(prefers-color-scheme: dark)");
  /** The size that the user chose, before it is scaled. */
  #fontPx = FONT_PX;

  constructor({ cols, rows, scrollback, isReadOnly, turnsNewLines }: ScreenOptions) {
    this.terminal = new Terminal({
      allowProposedApi: true,
      cols,
      rows,
      scrollback,
      fontFamily: TERMINAL_FONT,
      fontSize: this.#fontPx,
      disableStdin: isReadOnly,
      convertEol: turnsNewLines,
      cursorBlink: false,
      cursorInactiveStyle: isReadOnly ? "none" : "outline",
      minimumContrastRatio: 4.5,
      theme: this.#theme,
      linkHandler: { activate: (event, address) => follow(event, address), allowNonHttpProtocols: true },
    });
    for (const addon of [this.#serialize, this.#fit, new Unicode11Addon()]) this.terminal.loadAddon(addon);
    this.terminal.loadAddon(
      new WebLinksAddon(follow, { hover: (_, text) => this.#hint(text), leave: () => this.#hint("") }),
    );
    this.terminal.unicode.activeVersion = "11";
    this.#media.addEventListener("change", this.#retheme);
  }

  open(element: HTMLElement, label: string): void {
    this.terminal.open(element);
    const area = this.terminal.textarea;
    if (area === undefined) return;
    area.setAttribute("aria-label", label);
    area.autocapitalize = "off";
    area.setAttribute("autocorrect", "off");
    area.spellcheck = false;
  }

  dispose(): void {
    this.#media.removeEventListener("change", this.#retheme);
    this.terminal.dispose();
  }

  /** The size that fills the element at the chosen font. */
  fittingSize(): { cols: number; rows: number } | undefined {
    this.#setFont(this.#fontPx);
    const size = this.#fit.proposeDimensions();
    return size === undefined || Number.isNaN(size.cols) ? undefined : size;
  }

  /**
   * Scales the text so that a screen of the terminal's own size fits. A larger screen is scrolled
   * at 8 px.
   */
  scaleToFit(): void {
    const screen = this.terminal.element?.querySelector(".xterm-screen");
    const box = this.terminal.element?.parentElement;
    if (!(screen instanceof HTMLElement) || !box) return;
    const now = this.terminal.options.fontSize ?? this.#fontPx;
    const factor = Math.min(
      (box.clientWidth - AROUND_PX.width) / Math.max(1, screen.clientWidth),
      (box.clientHeight - AROUND_PX.height) / Math.max(1, screen.clientHeight),
    );
    if (screen.clientWidth > 0) this.#setFont(Math.min(this.#fontPx, Math.floor(now * factor * 2) / 2));
  }

  changeFont(by: number): void {
    this.#fontPx = Math.min(MAX_FONT_PX, Math.max(MIN_FONT_PX, this.#fontPx + by));
    this.#setFont(this.#fontPx);
  }

  /** The output that brings a new terminal of the same size to this screen. */
  serialize(scrollback: number): string {
    return this.#serialize.serialize({ scrollback });
  }

  /** The text of the whole buffer; wrapped lines are joined. */
  text(): string {
    const { active } = this.terminal.buffer;
    const lines: string[] = [];
    for (let index = 0; index < active.length; index++) {
      const line = active.getLine(index);
      if (line === undefined) continue;
      const text = line.translateToString(!active.getLine(index + 1)?.isWrapped);
      if (line.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    return lines.join("\n").trimEnd();
  }

  get #theme(): ITheme {
    return this.#media.matches ? dark : light;
  }

  readonly #retheme = () => {
    this.terminal.options.theme = this.#theme;
  };

  #setFont(px: number): void {
    const size = Math.max(MIN_FONT_PX, px);
    if (this.terminal.options.fontSize !== size) this.terminal.options.fontSize = size;
  }

  #hint(text: string): void {
    if (this.terminal.element !== undefined) this.terminal.element.title = text;
  }
}

/** A link in output is hostile until the user has asked for it. */
function follow(event: MouseEvent, address: string): void {
  if ((event.ctrlKey || event.metaKey) && LINKS.test(address)) open(address, "_blank", "noopener,noreferrer");
}
