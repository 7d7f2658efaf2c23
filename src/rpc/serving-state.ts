// Whether the agent accepts new work, and the callers that wait for it to stop.

export class ServingState {
  #isStopping = false;
  readonly #waiting = new Set<() => void>();

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Cannot be undone. A second call does nothing. */
  stop(): void {
    this.#isStopping = true;
    for (const wake of [...this.#waiting]) wake();
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
