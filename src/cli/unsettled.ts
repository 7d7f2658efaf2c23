// A command whose promise never settles: Node ends once nothing is left to wait for, with exit code 0 or 13 and without
// a word. Here that is a failure with a message. It is always a bug.

import { printError } from "./stdio.ts";

/** Call it before the command starts. `exitCode` is asked for when the command has failed to end. */
export function failWithoutResult(exitCode: () => number): void {
  // Not emitted when the command ends by process.exit, as every command does that has a result.
  process.once("beforeExit", () => {
    printError("the command ended without a result, which is a bug in holdfast; its outcome is unknown");
    process.exit(exitCode());
  });
}
