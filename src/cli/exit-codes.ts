// The exit codes of `holdfast`. The help of each command lists its own.

import { constants } from "node:os";
import type { Exit } from "../client/index.ts";

export const exitCodes = {
  /** Done; for `serve`: stopped by a signal, cleanly. */
  done: 0,
  /** Not done: a port in use, a missing permission; for `serve` also a shutdown in which a process did not end. */
  failed: 1,
  /** The command line or a HOLDFAST_ variable is wrong. */
  usage: 2,
  /** A bug: an unexpected exception. EX_SOFTWARE of sysexits.h. */
  crashed: 70,
  /** The agent killed the process at its time limit. As timeout(1). */
  timedOut: 124,
  /** `run` and `attach`, whose other codes belong to the process: holdfast itself failed. As docker and env. */
  ownFailure: 125,
  /** `run`: the command exists and cannot be executed. */
  notExecutable: 126,
  /** `run`: the command does not exist. */
  notFound: 127,
  /** A signal ended it; as a shell reports it: 128 + the number of the signal. */
  interrupted: (signalNumber: number): number => 128 + signalNumber,
} as const;

/** The exit status of a process as a shell reports it: 0 to 255, or 128 + the number of the signal; 124 at its time limit. */
export function exitStatus({ exitCode, exited, signal, status, timedOut }: Exit): number {
  if (timedOut) return exitCodes.timedOut;
  if (exited) return exitCode;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  // Signals from 32 on have only a number: `signal: signal 34`.
  const number = numbers[signal ?? ""] ?? Number(/^signal: signal (\d+)/.exec(status)?.[1] ?? Number.NaN);
  return Number.isNaN(number) ? 255 : exitCodes.interrupted(number);
}

/** For a table: `exit 3`, `SIGKILL`. */
export function endText({ exitCode, exited, signal, status }: Exit): string {
  return exited ? `exit ${exitCode}` : (signal ?? status.replace(/^signal: /, ""));
}
