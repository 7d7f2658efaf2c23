// The name under which the system lists this program: `holdfast`, and not `node` or `MainThread`.

import { writeFileSync } from "node:fs";

const NAME = "holdfast";

/** `words` are the arguments of the command, which `ps` continues to show. */
export function nameProcess(words: readonly string[]): void {
  // Node writes the title over its own arguments, as far as they reach.
  process.title = [NAME, ...words].join(" ");
  try {
    // `top` and `pgrep` show another, shorter name, which the title has filled with arguments.
    writeFileSync("/proc/self/comm", NAME);
  } catch {
    // Without /proc, the beginning of the title is the name.
  }
}
