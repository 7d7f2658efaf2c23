// The values for everything a start request leaves open. Flags set them; an orchestrator may change
// them while the agent runs (POST /init), for processes that start later.

export interface AgentDefaults {
  /** Added to the environment of every process. Replaced as a whole, never changed in place. */
  environment: Readonly<Record<string, string>>;
  /** The name of the user of a process, looked up at each start. Default: the agent's own user. */
  user: string | undefined;
  /** The cwd of a process: absolute, `~`, or relative to its user's home. Default: that home. */
  workdir: string | undefined;
}

export function agentDefaults(initial: Partial<AgentDefaults> = {}): AgentDefaults {
  return { environment: {}, user: undefined, workdir: undefined, ...initial };
}
