// What a process gets where its request says nothing. Flags set it first; an orchestrator may change it while the agent
// runs (POST /init), for the processes that start from then on.

export interface AgentDefaults {
  /** Added to every process's environment. Replaced as a whole, never changed in place. */
  environment: Readonly<Record<string, string>>;
  /** Whom a process runs as. Looked up at each start; without one, the agent's own user. */
  user: string | undefined;
  /** Where a process begins: absolute, `~`, or relative to its user's home; without one, that home. */
  workdir: string | undefined;
}

export function agentDefaults(initial: Partial<AgentDefaults> = {}): AgentDefaults {
  return { environment: {}, user: undefined, workdir: undefined, ...initial };
}
