// Splits a command line as a shell does: spaces separate, quotes and backslashes protect. Nothing is
// expanded; a line that needs a shell can be run in one.

export type SplitLine =
  | { readonly kind: "words"; readonly words: readonly string[]; readonly needsShell: boolean }
  | { readonly kind: "open"; readonly quote: string };

/** Characters that mean something to a shell and nothing here. */
const SHELL_CHARACTERS = /[|&;<>()$`*?[\]{}~#!\n]/;

export function splitCommandLine(line: string): SplitLine {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  let needsShell = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? "";
    if (quote !== "") {
      if (character === quote) quote = "";
      else if (quote === '"' && character === "\\" && /["\\$`\n]/.test(line[at + 1] ?? ""))
        word += line[++at] ?? "";
      else {
        if (quote === '"' && /[$`]/.test(character)) needsShell = true;
        word += character;
      }
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (character === "\\") {
      if (at + 1 === line.length) return { kind: "open", quote: "\\" };
      word = (word ?? "") + (line[++at] ?? "");
    } else {
      if (SHELL_CHARACTERS.test(character)) needsShell = true;
      word = (word ?? "") + character;
    }
  }
  if (quote !== "") return { kind: "open", quote };
  if (word !== undefined) words.push(word);
  return { kind: "words", words, needsShell };
}

/** The inverse: a line that a shell splits into these words. */
export function joinWords(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
