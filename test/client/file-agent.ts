// One agent for all tests of a file, because a start takes a second or two. Every test finds it
// without processes.

import { afterAll, afterEach, beforeAll } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { type CommandOptions, type RunningAgent, startAgent } from "../support/agent/agent.ts";

/** Call it at the top of a file. The result is usable within tests. */
export function agentForFile(options: CommandOptions = {}): { readonly url: string; readonly port: number } {
  let agent: RunningAgent | undefined;
  const running = () => {
    if (agent === undefined) throw new Error("the agent runs only while tests do");
    return agent;
  };
  beforeAll(async () => {
    agent = await startAgent(options);
  });
  afterEach(() => endAll(running().url));
  afterAll(() => agent?.stop());
  return {
    get url() {
      return running().url;
    },
    get port() {
      return running().port;
    },
  };
}

/** Kills every process that still runs, and waits for its end. */
async function endAll(baseUrl: string): Promise<void> {
  const client = createClient({ baseUrl });
  for (const { processId } of await client.list()) {
    const process = await client.attach(processId, { lag: "skip" });
    await process.signal("SIGKILL", { group: true }).catch(() => {
      // It has just ended.
    });
    await process.discardOutput();
  }
  client.close();
}
