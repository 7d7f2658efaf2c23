// The text of the keys of the key bar.

export type BarKey =
  | "Esc"
  | "Tab"
  | "←"
  | "↑"
  | "↓"
  | "→"
  | "Home"
  | "End"
  | "PgUp"
  | "PgDn"
  | "|"
  | "/"
  | "-"
  | "~";

export const barKeys: readonly BarKey[] = [
  "Esc",
  "Tab",
  "←",
  "↑",
  "↓",
  "→",
  "Home",
  "End",
  "PgUp",
  "PgDn",
  "|",
  "/",
  "-",
  "~",
];

const plain: Readonly<Record<BarKey, string>> = {
  Esc: "\x1b",
  Tab: "\t",
  "←": "\x1b[D",
  "↑": "\x1b[A",
  "↓": "\x1b[B",
  "→": "\x1b[C",
  Home: "\x1b[H",
  End: "\x1b[F",
  PgUp: "\x1b[5~",
  PgDn: "\x1b[6~",
  "|": "|",
  "/": "/",
  "-": "-",
  "~": "~",
};

export interface Held {
  readonly ctrl: boolean;
  readonly alt: boolean;
}

export function barKeyText(key: BarKey, applicationCursor: boolean, held: Held): string {
  const text = plain[key];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is a control sequence.
  const [, final] = /^\x1b\[([A-DHF])$/.exec(text) ?? [];
  const modifier = 1 + (held.alt ? 2 : 0) + (held.ctrl ? 4 : 0);
  if (final !== undefined && modifier > 1) return `\x1b[1;${modifier}${final}`;
  if (final !== undefined && applicationCursor) return `\x1bO${final}`;
  return text.length === 1 ? withHeld(text, held) : text;
}

/** A character that is typed while Ctrl or Alt of the key bar is held. */
export function withHeld(text: string, { ctrl, alt }: Held): string {
  if (text.length !== 1) return text;
  const code = text.toUpperCase().charCodeAt(0);
  const typed =
    ctrl && code >= 0x40 && code < 0x60
      ? String.fromCharCode(code - 0x40)
      : ctrl && text === " "
        ? "\0"
        : text;
  return alt ? `\x1b${typed}` : typed;
}
