// Arguments are bytes, and Node makes texts of them: it replaces what is not UTF-8, and so another file would be acted on.

import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { clip } from "../text.ts";

const REPLACEMENT = "\uFFFD";

/**
 * Why `words`, the last arguments of this program, cannot be used; undefined if they can. To be called before anything
 * writes over the arguments (process-name.ts).
 */
export function problemOfBytes(words: readonly string[]): string | undefined {
  const replaced = words.findIndex((word, at) => word.includes(REPLACEMENT) && !isUtf8(bytesOf(words, at)));
  if (replaced < 0) return undefined;
  return `the argument "${clip(words[replaced] ?? "")}" is not valid UTF-8, and the agent takes only texts`;
}

function bytesOf({ length }: readonly string[], index: number): Buffer {
  try {
    // Latin-1 keeps each byte. Each argument ends with NUL, also the last one.
    const all = readFileSync("/proc/self/cmdline", "latin1").split("\0").slice(0, -1);
    return Buffer.from(all.at(index - length) ?? "", "latin1");
  } catch {
    // No /proc: it may be the character itself.
    return Buffer.alloc(0);
  }
}
