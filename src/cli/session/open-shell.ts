// Runs `holdfast shell`.

import { isatty } from "node:tty";
import {
  type Client,
  ClientError,
  type ProcessInfo,
  type ProcessOptions,
  type RemoteProcess,
  type StartRequest,
} from "../../client/index.ts";
import { refusedCommand } from "../connect/client-failure.ts";
import { reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { SessionFlags } from "../options/session-flags.ts";
import { type CommandFlags, commandFields } from "./command-flags.ts";
import { runSession } from "./session.ts";
import { terminalKind } from "./start-process.ts";
import { DEFAULT_SIZE, windowSize } from "./terminal.ts";

/** As commander names the values of the flags. */
export interface ShellFlags extends Omit<SessionFlags, "stdin">, CommandFlags {
  readonly shell?: string;
}

/** In this order. */
const SHELLS = ["bash", "sh"];

/** Resolves with the exit code. */
export function openShell(name: string, flags: ShellFlags): Promise<number> {
  const { url, giveUpAfter, json = false, detachKeys, signals } = flags;
  const failureCode = (error: unknown) => refusedCommand(error) ?? exitCodes.ownFailure;
  return withClient({ url, reconnect: reconnectFor(giveUpAfter), failureCode }, async (client) => {
    const running = await findTerminal(client, name);
    const open = (options: ProcessOptions) =>
      running === undefined
        ? startShell(client, name, flags, options)
        : client.attach(running.processId, options);
    return runSession(open, {
      ...{ json, detachKeys, signals },
      input: isatty(0) ? "asked" : "none",
      endsWithUs: running === undefined,
    });
  });
}

/** The newest live process with the tag `name`. Rejects if that has no terminal. */
async function findTerminal(client: Client, name: string): Promise<ProcessInfo | undefined> {
  const found = (await client.list({ process: { tag: name } })).at(-1);
  if (found === undefined || found.isPty) return found;
  throw new ClientError(
    "failed_precondition",
    `process ${found.pid} has the name "${name}" and no terminal: attach to it, or choose another name`,
  );
}

async function startShell(
  client: Client,
  tag: string,
  flags: ShellFlags,
  options: ProcessOptions,
): Promise<RemoteProcess> {
  const { env, ...fields } = commandFields(flags);
  const request: Omit<StartRequest, "cmd"> = {
    ...fields,
    args: ["-l"],
    env: { ...terminalKind(), ...env },
    tag,
    output: { detached: "ring" },
    pty: windowSize() ?? DEFAULT_SIZE,
  };
  const shells = flags.shell === undefined ? SHELLS : [flags.shell];
  for (const cmd of shells.slice(0, -1)) {
    try {
      return await client.start({ ...request, cmd }, options);
    } catch (error) {
      if (refusedCommand(error) !== exitCodes.notFound) throw error;
    }
  }
  return client.start({ ...request, cmd: shells.at(-1) ?? "sh" }, options);
}
