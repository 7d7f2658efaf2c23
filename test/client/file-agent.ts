// One agent for all tests of a file: starting one costs a second or two. Each test finds no process of another's.

import { afterAll, afterEach, beforeAll } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { type CommandOptions, type RunningAgent, startAgent } from "../support/agent/agent.ts";

/** To be called at the top of a file; what it returns answers from within tests. */
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

/** Kills whatever still runs, and waits for its end. */
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
