// The signals that stop the agent: SIGTERM (from supervisors), SIGINT (Ctrl-C), SIGQUIT and SIGHUP (the terminal was
// closed). Listening begins before the agent starts, so that an early signal counts. Commands do not receive them.

import { performance } from "node:perf_hooks";
import { deferred } from "../deferred.ts";

const stopSignals = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] as const;

/**
 * These would end the agent without stopping its processes. SIGUSR1 would open Node's debugger to every process of the
 * machine.
 */
const ignoredSignals = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGIO", "SIGPWR"] as const;

export type StopSignal = (typeof stopSignals)[number];

/**
 * One request to stop can arrive as two signals: on Ctrl-C under `npm start`, the terminal signals the whole foreground
 * process group, and npm forwards its own signal. A person needs more time than this to ask a second time.
 */
const SAME_REQUEST_MS = 500;

export interface StopSignals {
  /** The first signal. */
  readonly stop: Promise<StopSignal>;
  /** The next signal that is a second request. Later signals change nothing. */
  readonly stopNow: Promise<StopSignal>;
}

/** From now on these signals do not end the process by themselves. */
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
  for (const signal of takeEarlySignals()) if (isStopSignal(signal)) receive(signal);
  return { stop: stop.promise, stopNow: stopNow.promise };
}

/**
 * The signals that src/cli/main.cts received while the next image of an agent was loaded. From here
 * on it does not listen.
 */
function takeEarlySignals(): readonly string[] {
  const early: unknown = Reflect.get(globalThis, EARLY_SIGNALS);
  if (typeof early !== "object" || early === null) return [];
  const { heard, stop } = early as { readonly heard: readonly string[]; stop(): void };
  stop();
  Reflect.deleteProperty(globalThis, EARLY_SIGNALS);
  return heard;
}

const EARLY_SIGNALS = "holdfastEarlySignals";

function isStopSignal(signal: string): signal is StopSignal {
  return (stopSignals as readonly string[]).includes(signal);
}

function ignore(): void {
  // A listener is enough to prevent the default action.
}
