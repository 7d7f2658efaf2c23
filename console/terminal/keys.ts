// The console's own keys in a terminal. Ctrl with a letter always goes to the program; the console
// has keys with Ctrl-Shift, Alt-F2 and Ctrl-Insert.

import { strings } from "../strings.ts";
import { copyText } from "../ui/copy.ts";
import type { Question } from "./pane.tsx";
import type { PaneSession } from "./session.ts";

interface KeyActions {
  readonly find: () => void;
  readonly showText: () => void;
  /** Moves the focus out of the terminal. */
  readonly leave: () => void;
}

export function watchKeys(session: PaneSession, actions: KeyActions): void {
  const { terminal } = session.screen;
  const copy = () => {
    if (terminal.hasSelection()) void copyText(terminal.getSelection());
  };
  const chords: Readonly<Record<string, () => void>> = {
    "ctrl shift KeyF": actions.find,
    "ctrl shift KeyC": copy,
    "ctrl shift F6": actions.leave,
    "alt F2": actions.showText,
    "ctrl Insert": copy,
  };
  terminal.attachCustomKeyEventHandler((event) => {
    const { ctrlKey, shiftKey, altKey, code } = event;
    const chord = `${ctrlKey ? "ctrl " : ""}${altKey ? "alt " : ""}${shiftKey ? "shift " : ""}${code}`;
    const act = chords[chord];
    if (act !== undefined) {
      event.preventDefault();
      if (event.type === "keydown") act();
      return false;
    }
    // The browser's own paste, and the command palette.
    return !(chord === "ctrl shift KeyV" || chord === "shift Insert" || chord === "ctrl shift KeyP");
  });
}

/** Lines that a program could run one by one are asked for once per page. */
export function watchPaste(
  element: HTMLElement,
  session: PaneSession,
  ask: (question: Question) => void,
): () => void {
  let isAllowed = false;
  const onPaste = (event: ClipboardEvent) => {
    event.preventDefault();
    event.stopPropagation();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const lines = text.replace(/\r?\n$/, "").split(/\r?\n|\r/).length;
    const paste = () => session.screen.terminal.paste(text);
    if (lines === 1 || isAllowed || !session.runsPastedLines) return paste();
    ask({
      text: strings.pasteAsk(lines),
      yes: strings.paste,
      onYes: () => {
        isAllowed = true;
        paste();
      },
    });
  };
  element.addEventListener("paste", onPaste, { capture: true });
  return () => element.removeEventListener("paste", onPaste, { capture: true });
}
