// The default of every setting of the file layer. Imports nothing, so that flags and help texts can
// show them without loading native code.

/** Whose rights file requests have: those of the agent, or the user's own. */
export const FILE_ACCESS_MODES = ["agent", "user"] as const;

export const FILE_DEFAULTS = {
  access: "agent",
  /** Watches of all clients together. */
  maxWatchers: 1024,
  /** How long an unread watch is kept. */
  retainWatchersMs: 3_600_000,
} as const;
