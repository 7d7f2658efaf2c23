// An agent that a test can pause: alone, or frozen together with its commands, as a VM is whose clock continues.

import { setTimeout as sleep } from "node:timers/promises";
import { freezableCgroup } from "../proc/freezer.ts";
import { type RunningAgent, startAgent } from "./agent.ts";

export interface PausableAgent {
  readonly agent: RunningAgent;
  freeze(): void;
  thaw(): void;
  pause(ms: number): Promise<void>;
}

/** The agent alone is stopped. Its commands continue. */
export async function startStoppable(args: readonly string[]): Promise<PausableAgent> {
  const agent = await startAgent({ args });
  return pausable(
    agent,
    () => agent.kill("SIGSTOP"),
    () => agent.kill("SIGCONT"),
  );
}

/** undefined where no cgroup can be frozen. */
export async function startFreezable(args: readonly string[]): Promise<PausableAgent | undefined> {
  const cgroup = freezableCgroup();
  if (cgroup === undefined) return undefined;
  const prefix = ["sh", "-c", 'echo $$ > "$0"/cgroup.procs; exec "$@"', cgroup.path];
  return pausable(await startAgent({ args, prefix }), cgroup.freeze, cgroup.thaw);
}

function pausable(agent: RunningAgent, freeze: () => void, thaw: () => void): PausableAgent {
  const pause = async (ms: number) => {
    freeze();
    await sleep(ms);
    thaw();
  };
  return { agent, freeze, thaw, pause };
}
