// Whether the agent takes new work, and whoever wants to be told when it no longer does.

export class ServingState {
  readonly #stopping = new AbortController();

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** For good. A second call does nothing. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Resolves when the agent stops, or when `signal` aborts; leaves no listener behind. */
  stopped(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#stopping.signal]);
    if (either.aborted) return Promise.resolve();
    return new Promise((resolve) => either.addEventListener("abort", () => resolve(), { once: true }));
  }
}
