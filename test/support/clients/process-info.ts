// A process as List with include_ended shows it: its subscribers, and how far the agent has read
// it.

import type { ProcessInfo } from "../../../src/gen/process_pb.ts";
import { plainClient } from "../agent/running-processes.ts";
import { eventually } from "../proc/proc.ts";

/**
 * Resolves when `look` accepts all of `processIds`, live or ended, with their state then, in the
 * same order.
 */
export async function untilProcesses(
  agentUrl: string,
  processIds: readonly string[],
  what: string,
  look: (process: ProcessInfo) => boolean,
): Promise<ProcessInfo[]> {
  const client = plainClient(agentUrl);
  let found: ProcessInfo[] = [];
  await eventually(
    what,
    async () => {
      const { processes } = await client.list({ includeEnded: true });
      found = processIds.flatMap((id) => processes.find(({ processId }) => processId === id) ?? []);
      return found.length === processIds.length && found.every(look);
    },
    () => found.map(describe),
    20_000,
  );
  return found;
}

export async function untilProcess(
  agentUrl: string,
  processId: string,
  what: string,
  look: (process: ProcessInfo) => boolean,
): Promise<ProcessInfo> {
  const [found] = await untilProcesses(agentUrl, [processId], what, look);
  if (found === undefined) throw new Error(`no process ${processId}`);
  return found;
}

function describe({ pid, subscribers, reading, offset, heldBytes, end }: ProcessInfo) {
  return {
    pid,
    subscribers,
    reading,
    offset: Number(offset),
    heldBytes: Number(heldBytes),
    end: end?.status,
  };
}
