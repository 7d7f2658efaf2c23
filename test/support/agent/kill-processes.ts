// Kills what runs on an agent. Like killAll of running-processes.ts, but leaves no connection open: for tests that count
// the agent's descriptors next.

import { callRpc } from "../clients/rpc-call.ts";
import { eventually } from "../proc/proc.ts";

/** Resolves when the agent lists none. */
export async function killProcesses(port: number): Promise<void> {
  const ask = (rpc: string, message: object) =>
    callRpc(port, "Connect JSON", { rpc, body: JSON.stringify(message) });
  let left: unknown;
  await eventually(
    "no process listed",
    async () => {
      const { messages } = await ask("List", {});
      const { processes = [] } = JSON.parse(String(messages[0])) as { processes?: { pid: number }[] };
      left = processes;
      // One that has just ended by itself is not_found, and that is well.
      for (const { pid } of processes)
        await ask("SendSignal", { process: { pid }, signal: "SIGNAL_SIGKILL" });
      return processes.length === 0;
    },
    () => left,
  );
}
