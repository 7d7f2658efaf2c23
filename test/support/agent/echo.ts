// Commands that show whether an agent still serves its processes.

import { type Received, receive } from "../clients/received-events.ts";
import type { RunningAgent } from "./agent.ts";
import { plainClient } from "./running-processes.ts";

export type RunningReceived = Received & { readonly pid: number };

/** A process that echoes its input, and its stream. */
export function startEcho(agent: RunningAgent): Promise<RunningReceived> {
  return started(receive(plainClient(agent.url).start({ process: { cmd: "cat" }, stdin: true })));
}

/** The process takes input, and its stream has the output. */
export async function expectEcho(
  agent: RunningAgent,
  { pid, until, text }: RunningReceived,
  word: string,
): Promise<void> {
  await plainClient(agent.url).sendInput({
    process: { selector: { case: "pid", value: pid } },
    input: { input: { case: "stdin", value: Buffer.from(word) } },
  });
  await until(() => text("stdout").endsWith(word));
}

/** A process that ignores SIGTERM and SIGHUP, and its stream. Resolves when it ignores them. */
export async function startStubborn(agent: RunningAgent): Promise<RunningReceived> {
  const script = "trap '' TERM HUP; echo ready; while :; do read x; done";
  const received = await started(
    receive(plainClient(agent.url).start({ process: { cmd: "sh", args: ["-c", script] } })),
  );
  await received.until(() => received.text("stdout") !== "");
  return received;
}

async function started(received: Received): Promise<RunningReceived> {
  return { ...received, pid: await received.started() };
}
