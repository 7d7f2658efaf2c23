// The process of each start_id: two Starts with the same id, at once or after a lost answer, start
// one process.

import { HoldfastError } from "../../errors.ts";
import type { Process } from "../process.ts";
import { fingerprintOf, type StartRequest } from "../start/start-request.ts";

export class StartIds {
  readonly #starts = new Map<string, { readonly fingerprint: string; readonly process: Promise<Process> }>();

  /**
   * The first request with this id calls `start`; later ones get the same process, until `forget`.
   * After a start that failed, the id is free again. Throws `already_exists` for a different
   * request.
   */
  once(startId: string, request: StartRequest, start: () => Promise<Process>): Promise<Process> {
    const fingerprint = fingerprintOf(request);
    const first = this.#starts.get(startId);
    if (first === undefined) {
      const process = start();
      this.#starts.set(startId, { fingerprint, process });
      process.catch(() => this.#starts.delete(startId));
      return process;
    }
    if (first.fingerprint === fingerprint) return first.process;
    throw new HoldfastError("already_exists", `start_id "${startId}" was used to start something else`);
  }

  /** Frees the id: its process is no longer retained. */
  forget(startId: string): void {
    this.#starts.delete(startId);
  }
}
