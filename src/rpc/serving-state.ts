// Whether the agent takes new work, and whoever wants to be told when it no longer does.

export class ServingState {
  #isStopping = false;
  readonly #waiting = new Set<() => void>();

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** For good. A second call does nothing. */
  stop(): void {
    this.#isStopping = true;
    for (const tell of [...this.#waiting]) tell();
  }

  /** Resolves when the agent stops, or when `signal` aborts; leaves no listener behind. */
  stopped(signal: AbortSignal): Promise<void> {
    if (this.#isStopping || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      // By hand: Node 20's AbortSignal.any() keeps what it made for as long as the agent lives.
      const tell = () => {
        this.#waiting.delete(tell);
        signal.removeEventListener("abort", tell);
        resolve();
      };
      this.#waiting.add(tell);
      signal.addEventListener("abort", tell);
    });
  }
}
