// Unmaps the program's code while a session waits. Of 51 to 54 MB resident in an attach that waits (Node 20), 30 are code
// that only the start used; the kernel reads the rest again from its file cache when it is used. Needs libc, which is loaded
// here only once the session waits.

/** A session without output for one to two of these waits. */
const LOOK_MS = 1_000;

export class RestingCode {
  #timer: NodeJS.Timeout | undefined;
  #hasWorked = false;

  /** Call it at the start and for each output. No timer runs while nothing happens. */
  work(): void {
    this.#hasWorked = true;
    this.#timer ??= this.#startTimer();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #startTimer(): NodeJS.Timeout {
    return setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  #look(): void {
    this.#timer = this.#hasWorked ? this.#startTimer() : undefined;
    if (!this.#hasWorked) void unmap();
    this.#hasWorked = false;
  }
}

async function unmap(): Promise<void> {
  try {
    const { unmapCode } = await import("../../linux/index.ts");
    unmapCode();
  } catch {
    // Without libc or /proc the code stays mapped, which only takes memory.
  }
}
