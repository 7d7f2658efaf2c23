// @ts-check
// The first lines of dist/cli/main.cjs, which is a shell script and JavaScript at once. The shell
// reports to src/cli/launched.ts which signals are ignored, because Node resets them before any
// JavaScript runs, and then becomes Node. It starts no other program, and takes 0.3 ms longer than
// the `/usr/bin/env node` that it replaces (medians of 300 runs, dash, a Node that does nothing).
//
// The second line is for JavaScript a string and a comment, for the shell a command without effect
// and the program.

const SHELL = [
  "if [ -r /proc/$$/status ]",
  "then while read -r holdfast_name holdfast_value",
  'do if [ "$holdfast_name" = SigIgn: ]',
  'then export HOLDFAST_IGNORED_SIGNALS="$$:$holdfast_value"',
  "break",
  "fi",
  "done < /proc/$$/status",
  "fi",
  'exec node "$0" "$@"',
]
  .join("; ")
  .replaceAll(/\b(then|do);? /g, "$1 ");

export const LAUNCHER_HEAD = `#!/bin/sh\n":" //; ${SHELL}\n`;

/**
 * `program` as the compiler wrote it, with the head in place of its `#!` line.
 * @param {string} program
 */
export function withLauncherHead(program) {
  const [first = ""] = program.split("\n", 1);
  if (!first.startsWith("#!")) throw new Error(`the command does not begin with #! but with ${first}`);
  return LAUNCHER_HEAD + program.slice(first.length + 1);
}
