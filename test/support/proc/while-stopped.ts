// Stops a whole agent with SIGSTOP, so that a test can create a state that the agent would change
// again at once.

/**
 * Runs `work` while the agent is stopped, and lets it continue afterwards, even if `work` fails.
 */
export async function whileStopped<T>(
  agent: { kill(signal: NodeJS.Signals): void },
  work: () => Promise<T>,
): Promise<T> {
  agent.kill("SIGSTOP");
  try {
    return await work();
  } finally {
    agent.kill("SIGCONT");
  }
}
