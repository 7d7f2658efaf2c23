// An agent that reports, at SIGPWR, what it still holds after a garbage collection. It shows leaks
// that resident memory alone hides. The agent is unchanged: a module that Node preloads answers.

import { fdCount } from "../proc/proc.ts";
import { type CommandOptions, type RunningAgent, startAgent } from "./agent.ts";

export interface Holdings {
  readonly rssBytes: number;
  /** Number of descriptors. */
  readonly fds: number;
  /** Objects and buffers. */
  readonly heapBytes: number;
  readonly bufferBytes: number;
  /**
   * What keeps Node's event loop alive: "Timeout", "TCPSocketWrap", "PipeWrap" and so on, sorted.
   */
  readonly resources: readonly string[];
}

export interface ProbedAgent extends RunningAgent {
  probe(): Promise<Holdings>;
}

export async function startProbedAgent(options: CommandOptions = {}): Promise<ProbedAgent> {
  const preload = `data:text/javascript,${encodeURIComponent(answerer)}`;
  const agent = await startAgent({
    ...options,
    nodeArgs: ["--expose-gc", "--import", preload, ...(options.nodeArgs ?? [])],
  });
  const probe = async (): Promise<Holdings> => {
    // Earlier answers may be those of an image before an upgrade.
    const earlier = agent.stderr().match(/^probe /gm)?.length ?? 0;
    const answers = agent.until("an answer to the probe", () => {
      const found = [...agent.stderr().matchAll(/^probe (.*)\n/gm)];
      return found[earlier]?.[1];
    });
    agent.kill("SIGPWR");
    return { ...(JSON.parse(await answers) as Omit<Holdings, "fds">), fds: fdCount(agent.pid) };
  };
  return { ...agent, probe };
}

// Twice: the second collection frees the objects that the first one finalized.
const answerer = `
process.on("SIGPWR", async () => {
  for (let i = 0; i < 2; i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().sort();
  const found = { rssBytes: rss, heapBytes: heapUsed, bufferBytes: arrayBuffers, resources };
  process.stderr.write("probe " + JSON.stringify(found) + "\\n");
});
`;
