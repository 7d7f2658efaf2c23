// The exit status of `run` and `attach`: the program's own, as a shell would give it.
import { constants } from "node:os";
import type { Exit } from "../client/index.ts";

/** 0 to 255, or 128 + the signal's number. */
export function exitStatus({ exitCode, exited, signal, status }: Exit): number {
  if (exited) return exitCode;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  // Signals from 32 on have a number only: `signal: signal 34`.
  const number = numbers[signal ?? ""] ?? Number(/^signal: signal (\d+)/.exec(status)?.[1] ?? Number.NaN);
  return Number.isNaN(number) ? 255 : 128 + number;
}

/** In a table: `exit 3`, `SIGKILL`. */
export function endWord({ exitCode, exited, signal, status }: Exit): string {
  return exited ? `exit ${exitCode}` : (signal ?? status.replace(/^signal: /, ""));
}
