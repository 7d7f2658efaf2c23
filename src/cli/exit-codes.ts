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
  /** A bug: an unexpected exception, or a command without a result. EX_SOFTWARE of sysexits.h. */
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

/** For docs/reference/cli.md, which shows these rows. */
export const exitCodeRows: readonly (readonly [code: string, commands: string, meaning: string])[] = [
  ["0", "all", "done; `run` and `attach`: also left with the detach keys"],
  ["0 to 255", "`run`, `shell`, `attach`, `wait`", "the exit code of the process"],
  [
    `${exitCodes.failed}`,
    "all others",
    "failed: no agent, no such process or file, or it refused; `sync`: also a conflict; `serve`: it could not start",
  ],
  [`${exitCodes.usage}`, "all others", "the command line or a variable is wrong"],
  [
    `${exitCodes.crashed}`,
    "all others",
    "a bug: `serve` crashed and could not continue, or a command ended without a result",
  ],
  [
    `${exitCodes.timedOut}`,
    "`run`, `shell`, `attach`, `wait`",
    "killed at its time limit; `wait`: also `--timeout`",
  ],
  [
    `${exitCodes.ownFailure}`,
    "`run`, `shell`, `attach`, `wait`",
    "holdfast failed: no agent, wrong usage, a process that is gone",
  ],
  [`${exitCodes.notExecutable}`, "`run`, `shell`", "the command exists and cannot be executed"],
  [`${exitCodes.notFound}`, "`run`, `shell`", "the command does not exist"],
  ["128+N", "`run`, `shell`, `attach`, `wait`", "signal N killed the process, or ended this command"],
  ["128+N", "`cp`, `sync`", "signal N ended it"],
  ["128+N", "`serve`", "stopped at once by a second signal, number N"],
  [`${exitCodes.interrupted(13)}`, "all that print", "the reader of stdout is gone"],
];

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
