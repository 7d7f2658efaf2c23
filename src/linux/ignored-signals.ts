// Signals that were ignored when this program began stay ignored, for it and for the commands that
// it starts (rule 21, nohup). Node resets them before any JavaScript runs; a launcher in front of it
// reports which they were (src/cli/launched.ts).

import { constants } from "node:os";
import { libc } from "./libc.ts";

const IGNORE = 1;
const ERROR = -1;
/** Also called for signals of which Node has no name. */
const setAction = libc.func("intptr_t signal(int signal, intptr_t action)");

/**
 * SIGCHLD: ignored, the kernel would reap children itself and no exit code would be known. The
 * others report a mistake of the program itself; V8 handles some of them.
 */
const neverKept: ReadonlySet<number> = new Set(
  (["SIGCHLD", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT"] as const).map(
    (name) => constants.signals[name],
  ),
);

const kept = new Set<number>();

/**
 * Ignores them from now on, even if listeners are added later: a listener of an ignored signal is
 * never called. Signals that cannot be ignored are left out.
 */
export function keepIgnored(signals: Iterable<number>): void {
  for (const signal of signals) {
    if (neverKept.has(signal) || Number(setAction(signal, IGNORE)) === ERROR) continue;
    kept.add(signal);
  }
  if (kept.size === 0) return;
  // Node's own listener of these two events was added before. It has just installed a handler for
  // the signal, or the default action.
  process.on("newListener", ignoreAgain);
  process.on("removeListener", ignoreAgain);
}

/** The signals that children inherit as ignored. */
export function keptSignals(): ReadonlySet<number> {
  return kept;
}

function ignoreAgain(event: string | symbol): void {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  const signal = typeof event === "string" ? numbers[event] : undefined;
  if (signal !== undefined && kept.has(signal)) setAction(signal, IGNORE);
}
