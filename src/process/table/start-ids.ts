// Which process a start_id stands for: two Starts with the same id, at once or after a lost answer, start one process.

import { HoldfastError } from "../../errors.ts";
import type { Process } from "../process.ts";
import { type StartRequest, sameRequest } from "../start/start-request.ts";

export class StartIds {
  readonly #starts = new Map<
    string,
    { readonly request: StartRequest; readonly process: Promise<Process> }
  >();

  /**
   * What `start` yields for the first request with this id, and again for all later ones, until `forget`. A start that
   * fails leaves nothing behind: the next one is the first again. Throws `already_exists` for another request.
   */
  once(startId: string, request: StartRequest, start: () => Promise<Process>): Promise<Process> {
    const first = this.#starts.get(startId);
    if (first === undefined) {
      const process = start();
      this.#starts.set(startId, { request, process });
      process.catch(() => this.#starts.delete(startId));
      return process;
    }
    if (sameRequest(first.request, request)) return first.process;
    throw new HoldfastError("already_exists", `start_id "${startId}" was used to start something else`);
  }

  /** The process is retained no longer: its id is free. */
  forget(startId: string): void {
    this.#starts.delete(startId);
  }
}
