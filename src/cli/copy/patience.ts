// How long a transfer of a directory is continued after its connection was lost. (The client itself continues transfers of
// single files.)

import { setTimeout as wait } from "node:timers/promises";
import { ClientError } from "../../client/index.ts";

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;
/** Before anything has arrived: as long as the client tries a call. */
const FIRST_MS = 30_000;

/** Whether `error` says that the connection was lost, or that the agent is away. */
export function isLost(error: unknown): error is ClientError {
  return error instanceof ClientError && error.code === "unavailable" && !error.message.startsWith("cannot ");
}

export class Patience {
  readonly #giveUpAfterMs: number | undefined;
  #attempt = 0;
  #sinceMs: number | undefined = performance.now();
  #hasBegun = false;

  /** `giveUpAfterMs` undefined: forever, once something has arrived. */
  constructor(giveUpAfterMs: number | undefined) {
    this.#giveUpAfterMs = giveUpAfterMs;
  }

  /** Something has arrived. */
  succeeded(): void {
    this.#hasBegun = true;
    this.#attempt = 0;
    this.#sinceMs = undefined;
  }

  /** Waits until the next try. Throws `error` when there is none. */
  async afterLoss(error: unknown, signal: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    this.#sinceMs ??= nowMs;
    const limitMs = this.#giveUpAfterMs ?? (this.#hasBegun ? Number.POSITIVE_INFINITY : FIRST_MS);
    const delayMs = Math.random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempt++);
    if (nowMs + delayMs - this.#sinceMs >= limitMs) throw error;
    await wait(delayMs, undefined, { signal });
  }
}
