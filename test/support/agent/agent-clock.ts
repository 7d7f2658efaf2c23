// For tests that nothing happens for a while. The agent itself says how long it has lived, by the keepalives of a stream.

import { onTestFinished } from "vitest";
import { receive } from "../clients/received-events.ts";
import { plainClient } from "./running-processes.ts";

export interface AgentClock {
  /** Resolves when the agent's timers have run for so many more seconds. */
  seconds(count: number): Promise<void>;
}

/** Starts a process in the agent that lives until the test is finished. */
export async function openAgentClock({ url }: { readonly url: string }): Promise<AgentClock> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const received = receive(
    plainClient(url).start(
      { process: { cmd: "sleep", args: ["1000"] } },
      { headers: { "Keepalive-Ping-Interval": "1" }, signal: abort.signal },
    ),
  );
  await received.started();
  return {
    seconds: async (count) => {
      const target = received.keepalives() + count;
      await received.until(() => received.keepalives() >= target);
    },
  };
}
