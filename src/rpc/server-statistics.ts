// What this server's clients did so far, in plain numbers: counted where it happens, read by whoever is asked for metrics.

/** Why a subscriber is no longer attached: the process ended, the client went, it held up others (rule 7), or the agent stops. */
export type DetachReason = "end" | "gone" | "cut" | "stopped";

export interface ServerStatistics {
  /** Start and Connect streams that got as far as a process. */
  attached: number;
  readonly detached: Record<DetachReason, number>;
  /** Attached with `from_offset`. */
  resumes: number;
  gaps: number;
  /** What those gaps left out. */
  gapBytes: number;
  /** By code, as Connect spells it. */
  readonly refusals: Record<string, number>;
}

export function createServerStatistics(): ServerStatistics {
  return {
    attached: 0,
    detached: { end: 0, gone: 0, cut: 0, stopped: 0 },
    resumes: 0,
    gaps: 0,
    gapBytes: 0,
    refusals: {},
  };
}
