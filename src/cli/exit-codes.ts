// What the exit code of `holdfast` says. The help of each command lists its own.

export const exitCodes = {
  /** Done; for `serve`: stopped by a signal, cleanly. */
  done: 0,
  /** It could not be done: a port in use, a missing right; for `serve` also a shutdown that got stuck. */
  failed: 1,
  /** The command line or a HOLDFAST_ variable is wrong. */
  usage: 2,
  /** A bug: an exception nobody expected. EX_SOFTWARE of sysexits.h. */
  crashed: 70,
  /** Of `run` and `attach`, whose other codes are the program's: what holdfast itself failed at. As docker's and env's. */
  ownFailure: 125,
  /** Of `run`: the command is there and cannot be executed. */
  notExecutable: 126,
  /** Of `run`: there is no such command. */
  notFound: 127,
  /** A signal cut it short; as a shell would say it, 128 + the signal's number. */
  interrupted: (signalNumber: number): number => 128 + signalNumber,
} as const;
