// Signals that end a command after it has cleaned up.

import { constants } from "node:os";
import { exitCodes } from "../exit-codes.ts";
import { blockingSockets } from "../stdio.ts";

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How long the clean-up may take: it waits for disks and pipes. */
const CLEANUP_MS = 2_000;

/**
 * Runs `act`. A signal aborts it, and the exit code is then 128 + the number of the signal. A second signal ends the
 * command at once.
 */
export async function untilSignal(act: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  let received: number | undefined;
  let listeners: (readonly [NodeJS.Signals, () => void])[] = [];
  const stopListening = () => {
    for (const [name, listener] of listeners) process.removeListener(name, listener);
    listeners = [];
  };
  const tooLate = new Promise<number>((resolve) => {
    listeners = endingSignals.map((name) => {
      const listener = () => {
        stopListening();
        received = exitCodes.interrupted(constants.signals[name]);
        const code = received;
        setTimeout(() => void endAnyway().then(() => resolve(code)), CLEANUP_MS).unref();
        abort.abort(new Error(`ended by ${name}`));
      };
      process.on(name, listener);
      return [name, listener] as const;
    });
  });
  try {
    return await Promise.race([act(abort.signal), tooLate]);
  } catch (error) {
    if (received !== undefined) return received;
    throw error;
  } finally {
    stopListening();
  }
}

/** A thread may wait for a pipe that nobody writes to: Node would wait for that thread. */
async function endAnyway(): Promise<void> {
  const { endWithoutThreads } = await import("../../linux/index.ts");
  endWithoutThreads(blockingSockets());
}
