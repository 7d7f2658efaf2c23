// Ctrl-Z and fg, for commands that set modes of the terminal: the shell gets it as it was.

export interface Suspension {
  /** Suspends this command, as SIGTSTP does: for a terminal in raw mode, where Ctrl-Z is a key. */
  suspend(): void;
  /** Ends this. */
  close(): void;
}

export interface SuspensionActions {
  /** Before the command is stopped: restore the terminal. */
  readonly suspend: () => void;
  /** When it continues, also after SIGSTOP, which cannot be noticed: set the modes and draw again. */
  readonly resume: () => void;
}

/** After it was stopped and continued, SIGCONT arrives within this time; otherwise it was not stopped. */
const CONTINUE_MS = 20;

/** Follows SIGTSTP and SIGCONT until it is closed. */
export function followSuspension({ suspend, resume }: SuspensionActions): Suspension {
  let isStopped = false;
  let isClosed = false;
  const continued = (): void => {
    isStopped = false;
    resume();
  };
  const stop = (): void => {
    suspend();
    // By the kernel's own action: it does not stop a process that no shell would continue.
    process.off("SIGTSTP", stop);
    isStopped = true;
    process.kill(process.pid, "SIGTSTP");
    setTimeout(() => {
      if (isClosed) return;
      process.on("SIGTSTP", stop);
      if (isStopped) continued();
    }, CONTINUE_MS).unref();
  };
  process.on("SIGCONT", continued).on("SIGTSTP", stop);
  return {
    suspend: stop,
    close: () => {
      isClosed = true;
      process.off("SIGCONT", continued).off("SIGTSTP", stop);
    },
  };
}
