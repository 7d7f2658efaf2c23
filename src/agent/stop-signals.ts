// The signals that stop the agent: SIGTERM (supervisors), SIGINT (Ctrl-C), SIGQUIT and SIGHUP (the terminal is gone). Listening
// starts before the agent does, so that a signal is never too early to count. No signal is passed on to commands.
import { performance } from "node:perf_hooks";
import { deferred } from "../deferred.ts";

const stopSignals = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] as const;

/**
 * What would end the agent without stopping its processes; and SIGUSR1, at which Node opens its debugger to every process of
 * the machine.
 */
const ignoredSignals = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGIO", "SIGPWR"] as const;

export type StopSignal = (typeof stopSignals)[number];

/**
 * One request to stop may arrive as two signals: on Ctrl-C under `npm start` the terminal signals the whole foreground
 * group, and npm then passes its own on. A person who wants it to stop now takes longer than this to say so.
 */
const SAME_REQUEST_MS = 500;

export interface StopSignals {
  /** The first signal. */
  readonly stop: Promise<StopSignal>;
  /** The next one that is a request of its own. Any further one changes nothing. */
  readonly stopNow: Promise<StopSignal>;
}

/** For the rest of the process's life: from now on these signals no longer end it by themselves. */
export function listenForStopSignals(): StopSignals {
  const stop = deferred<StopSignal>();
  const stopNow = deferred<StopSignal>();
  let firstAtMs: number | undefined;
  const receive = (signal: StopSignal): void => {
    firstAtMs ??= performance.now();
    if (performance.now() - firstAtMs >= SAME_REQUEST_MS) stopNow.resolve(signal);
    stop.resolve(signal);
  };
  for (const signal of stopSignals) process.on(signal, () => receive(signal));
  for (const signal of ignoredSignals) process.on(signal, ignore);
  return { stop: stop.promise, stopNow: stopNow.promise };
}

function ignore(): void {
  // A listener is all it takes.
}
