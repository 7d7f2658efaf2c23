// Sends a signal to a process, at most once if a repetition would have a second effect.

import { SignalScope } from "../../gen/tables.ts";
import { ProcessGoneError } from "../client-errors.ts";
import { toSelectorMessage, toSignal } from "../messages.ts";
import { wasNeverProcessed } from "../retry/failures.ts";
import { callWithRetries } from "../retry/retried-call.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { Selector, SignalName, SignalOptions } from "../types.ts";

const harmlessTwice: ReadonlySet<SignalName> = new Set(["SIGKILL", "SIGSTOP", "SIGCONT"]);

/** See Client.signal. Each of `lives` also ends the call. */
export async function sendSignal(
  link: AgentLink,
  selector: Selector,
  name: SignalName,
  { signal, group }: SignalOptions = {},
  lives: readonly (AbortSignal | undefined)[] = [],
): Promise<void> {
  const message = {
    process: toSelectorMessage(selector),
    signal: toSignal(name),
    scope: group === true ? SignalScope.GROUP : SignalScope.PROCESS,
  };
  let isRepeated = false;
  try {
    await callWithRetries(link, {
      send: (rpc, options) => rpc.sendSignal(message, options),
      signals: [signal, ...lives],
      patienceMs: link.settings.callRetryMs,
      mayRepeat: (failure) => harmlessTwice.has(name) || wasNeverProcessed(failure),
      onRepeat: () => {
        isRepeated = true;
      },
    });
  } catch (error) {
    // The first try killed it, and its answer was lost.
    if (isRepeated && name === "SIGKILL" && error instanceof ProcessGoneError) return;
    throw error;
  }
}
