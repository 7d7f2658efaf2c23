// What the exit code of `holdfast` says. The help of `serve` lists them too.

export const exitCodes = {
  /** Done; for `serve`: stopped by a signal, cleanly. */
  done: 0,
  /** It could not be done: a port in use, a missing right; for `serve` also a shutdown that got stuck. */
  failed: 1,
  /** The command line or a HOLDFAST_ variable is wrong. */
  usage: 2,
  /** A bug: an exception nobody expected. EX_SOFTWARE of sysexits.h. */
  crashed: 70,
  /** A second signal cut the shutdown short. As a shell would say it: 128 + the signal's number. */
  interrupted: (signalNumber: number): number => 128 + signalNumber,
} as const;
