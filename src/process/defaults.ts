// The default of every setting of the process layer. Imports nothing, so that flags and help texts
// can show the numbers without loading native code. `Partial` settings fall back to these values.

/** The detached modes: the treatment of output while no client is attached (rule 9). */
export const DETACHED_MODES = ["block", "buffer", "ring"] as const;

export const PROCESS_DEFAULTS = {
  /** How long output of orphans is still read after the process exited (rule 4). */
  drainTimeoutMs: 200,
  /** How far the fastest subscriber may be ahead of the slowest one (rule 10). */
  windowBytes: 256 * 1024,
  /** How long a subscriber may make others wait without progress (rule 11). */
  stallMs: 10_000,
  /** How long the look-up of cwd and command may take before a start fails (rule 15). */
  startTimeoutMs: 10_000,
  /** For everything held for clients (rule 14). */
  memoryBudgetBytes: 64 * 1024 * 1024,
  /** How long an ended process can still be found (rule 12). */
  retainEndedMs: 60_000,
  /** The treatment of output while no client reads it (rules 7 and 9). */
  output: { detached: "block", detachedBufferBytes: 4 * 1024 * 1024, replayBytes: 1024 * 1024 },
  limits: {
    maxProcesses: 1024,
    // Linux allows 2 MiB for arguments and environment together, with the usual stack of 8 MiB.
    maxArgumentBytes: 2 * 1024 * 1024,
    maxEnvironmentBytes: 2 * 1024 * 1024,
    maxRetainEndedMs: 24 * 3_600_000,
    /** How many ended processes can still be found (rule 12). */
    maxRetainedProcesses: 256,
  },
} as const;
