// A program's wish to write to the clipboard (OSC 52). It asks once per process and page. Reading is never
// answered: the clipboard can hold a password.

import type { Terminal } from "@xterm/xterm";
import { strings } from "../strings.ts";
import { copyText } from "../ui/copy.ts";
import { clipboardText } from "./clipboard-text.ts";
import type { Question } from "./pane.tsx";

export function guardClipboard(terminal: Terminal, ask: (question: Question) => void): void {
  let verdict: boolean | undefined;
  terminal.parser.registerOscHandler(52, (data) => {
    const text = clipboardText(data);
    if (text === undefined || verdict === false) return true;
    if (verdict === true) void copyText(text);
    else
      ask({
        isFromProgram: true,
        text: strings.clipboardAsk([...text].length),
        yes: strings.allow,
        onYes: () => {
          verdict = true;
          void copyText(text);
        },
        onNo: () => {
          verdict = false;
        },
      });
    return true;
  });
}
