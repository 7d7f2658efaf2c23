// The processes that an agent runs, and how to end them.

import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Process, type ProcessInfo, Signal } from "../../../src/gen/process_pb.ts";
import { eventually } from "../proc/proc.ts";

/** A plain client: Connect, JSON, HTTP/1.1. */
export function plainClient(agentUrl: string): Client<typeof Process> {
  return createClient(
    Process,
    createConnectTransport({ baseUrl: agentUrl, httpVersion: "1.1", useBinaryFormat: false }),
  );
}

/** Resolves when `isOne` matches no process of the agent. */
export async function untilNone(
  client: Client<typeof Process>,
  isOne: (process: ProcessInfo) => boolean,
): Promise<void> {
  let last: readonly ProcessInfo[] = [];
  await eventually(
    "processes gone",
    async () => {
      last = (await client.list({})).processes;
      return !last.some(isOne);
    },
    () => describe(last),
  );
}

/** Kills the processes that a test has left running, and waits for their end. */
export async function killAll(agentUrl: string): Promise<void> {
  const client = plainClient(agentUrl);
  for (const { pid } of (await client.list({})).processes)
    await client
      .sendSignal({ process: { selector: { case: "pid", value: pid } }, signal: Signal.SIGKILL })
      .catch(() => {
        // It has just ended by itself.
      });
  await untilNone(client, () => true);
}

function describe(processes: readonly ProcessInfo[]): string {
  return processes.map(({ pid, config, tag }) => `${pid} ${config?.cmd} ${config?.args} ${tag}`).join("; ");
}
