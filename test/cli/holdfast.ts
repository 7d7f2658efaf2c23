// Runs `holdfast ARGS` with the address of the agent in HOLDFAST_URL, and returns its output and exit code.
import { expect } from "vitest";
import { createClient, type ProcessInfo, type StartRequest } from "../../src/client/index.ts";
import { type CommandOptions, cliPath, type RunningCommand, runCommand } from "../support/agent/agent.ts";
import { type OnTerminal, type OnTerminalOptions, onTerminal } from "../support/proc/on-terminal.ts";

/** On pipes. stdin is /dev/null, unless `options` contain "pipe". */
export function holdfast(
  url: string,
  args: readonly string[],
  options: Omit<CommandOptions, "args"> = {},
): RunningCommand {
  return runCommand({ ...options, args, env: { HOLDFAST_URL: url, ...options.env } });
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function finished(command: RunningCommand): Promise<Finished> {
  const { code } = await command.exited();
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

/** On a terminal of its own. */
export function holdfastOnTerminal(
  url: string,
  args: readonly string[],
  options: OnTerminalOptions = {},
): OnTerminal {
  return onTerminal([process.execPath, cliPath, ...args], {
    ...options,
    env: { HOLDFAST_URL: url, ...options.env },
  });
}

/** The same on a terminal without cursor movement. */
export function holdfastOnDumbTerminal(url: string, args: readonly string[]): OnTerminal {
  // The terminal of the tests sets TERM itself.
  return onTerminal(["env", "TERM=dumb", process.execPath, cliPath, ...args], {
    env: { HOLDFAST_URL: url },
  });
}

/** As `holdfast ps --all` would list them. */
export async function processes(baseUrl: string): Promise<ProcessInfo[]> {
  const client = createClient({ baseUrl });
  try {
    return await client.list({ includeEnded: true });
  } finally {
    client.close();
  }
}

/** The newest process with this tag, once it looks like `expected`. */
export async function untilProcess(
  url: string,
  tag: string,
  expected: Readonly<Record<string, unknown>>,
): Promise<ProcessInfo> {
  const newest = async () => (await processes(url)).findLast((info) => info.tag === tag);
  await expect.poll(newest, { timeout: 15_000 }).toMatchObject(expected);
  const found = await newest();
  if (found === undefined) throw new Error(`process ${tag} is gone again`);
  return found;
}

/** Starts `script` in bash and detaches. When this resolves, nobody is attached and it has written `bytes`. */
export async function leave(
  baseUrl: string,
  script: string,
  { tag, bytes = 0, ...request }: Partial<StartRequest> & { readonly tag: string; readonly bytes?: unknown },
): Promise<ProcessInfo> {
  const client = createClient({ baseUrl });
  try {
    const remote = await client.start({
      ...{ cmd: "bash", args: ["-c", script], stdin: true, output: { detached: "buffer" } },
      ...request,
      tag,
    });
    remote.detach();
    return await untilProcess(baseUrl, tag, { processId: remote.processId, subscribers: 0, offset: bytes });
  } finally {
    client.close();
  }
}
