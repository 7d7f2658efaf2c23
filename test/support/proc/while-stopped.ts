// Holds a whole agent still by SIGSTOP, so that a test can put its surroundings into a state that the agent would else
// change again at once.

/** Runs `work` while the agent is stopped, and lets it go on, whatever comes of it. */
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
