// The process of each start_id: two Starts with the same id, at once or after a lost answer, start
// one process.

import { HoldfastError } from "../../errors.ts";
import type { Process } from "../process.ts";
import { fingerprintOf, type StartRequest } from "../start/start-request.ts";

/** For src/handover. */
export interface SavedStartId {
  readonly startId: string;
  readonly fingerprint: string;
  readonly processId: string;
}

export class StartIds {
  readonly #starts = new Map<string, { readonly fingerprint: string; readonly process: Promise<Process> }>();
  /** The ids of processes that are started. */
  readonly #saved = new Map<string, SavedStartId>();

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
      process.then(
        ({ processId }) => {
          // It may be forgotten already.
          if (this.#starts.has(startId)) this.#saved.set(startId, { startId, fingerprint, processId });
        },
        () => this.#starts.delete(startId),
      );
      return process;
    }
    if (first.fingerprint === fingerprint) return first.process;
    throw new HoldfastError("already_exists", `start_id "${startId}" was used to start something else`);
  }

  /** Frees the id: its process is no longer retained. */
  forget(startId: string): void {
    this.#starts.delete(startId);
    this.#saved.delete(startId);
  }

  /** A start that is under way is not part of it. */
  save(): SavedStartId[] {
    return [...this.#saved.values()];
  }

  /** `process` was started by another image of this agent. */
  restore(saved: SavedStartId, process: Process): void {
    const { startId, fingerprint } = saved;
    this.#starts.set(startId, { fingerprint, process: Promise.resolve(process) });
    this.#saved.set(startId, saved);
  }
}
