// Whether the agent accepts new work, and the callers that wait for it to stop.

/** The notice that a client receives when the agent stops. */
export interface Stopping {
  /** The signal that it received. */
  readonly reason: string;
  /** How long processes have before they are killed. */
  readonly graceMs: number;
}

export class ServingState {
  #isStopping = false;
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(stopping: Stopping) => void>();

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Cannot be undone. A second call does nothing. */
  stop(stopping: Stopping): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const wake of [...this.#waiting]) wake();
    for (const listener of [...this.#listeners]) listener(stopping);
  }

  /** `listener` is called once when the agent stops, and must not throw. Returns the function that removes it. */
  onStop(listener: (stopping: Stopping) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves when the agent stops, or when `signal` aborts; leaves no listener behind. */
  stopped(signal: AbortSignal): Promise<void> {
    if (this.#isStopping || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      // Not AbortSignal.any(): Node 20 keeps its signals for as long as the agent lives.
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}
