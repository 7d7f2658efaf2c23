// Kills all processes of an agent. Unlike killAll of running-processes.ts it leaves no connection
// open, for tests that count the agent's descriptors.

import { callRpc } from "../clients/rpc-call.ts";
import { eventually } from "../proc/proc.ts";

/** Resolves when the agent lists no process. */
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
      // A process that has just ended by itself is not_found, which is fine.
      for (const { pid } of processes)
        await ask("SendSignal", { process: { pid }, signal: "SIGNAL_SIGKILL" });
      return processes.length === 0;
    },
    () => left,
  );
}
