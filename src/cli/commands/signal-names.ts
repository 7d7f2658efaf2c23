// The signals that the agent can send, as a user writes them.

import { constants } from "node:os";
import { InvalidArgumentError } from "commander";
import type { SignalName } from "../../client/index.ts";

export const signalNames: readonly SignalName[] = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2"] as const),
  ...(["SIGTERM", "SIGCONT", "SIGSTOP", "SIGWINCH"] as const),
];

/** "SIGTERM", "TERM", "term" or "15". */
export function readSignal(text: string): SignalName {
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const found = signalNames.find((known) => known === name || String(constants.signals[known]) === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It is one of ${signalNames.join(", ")}.`);
}
