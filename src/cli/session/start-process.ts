// What `holdfast run` does.

import type { Client, StartRequest } from "../../client/index.ts";
import { refusedCommand } from "../connect/client-failure.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { SessionFlags } from "../options/session-flags.ts";
import { writeOut } from "../report/report.ts";
import { runSession } from "./session.ts";
import { DEFAULT_SIZE, windowSize } from "./terminal.ts";

/** As commander names the values of the flags. */
export interface RunFlags extends SessionFlags {
  readonly pty?: boolean;
  readonly detach?: boolean;
  readonly tag?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly whileDetached?: NonNullable<StartRequest["output"]>["detached"];
}

/** Resolves with the exit code. */
export async function startProcess(words: readonly string[], flags: RunFlags): Promise<number> {
  const { url, giveUpAfter, detach = false } = flags;
  const request = startRequest(words, flags);
  return withClient(
    {
      url,
      reconnect: reconnectFor(giveUpAfter),
      failureCode: (error) => refusedCommand(error) ?? exitCodes.ownFailure,
    },
    (client) => (detach ? startDetached(client, request, flags) : startAttached(client, request, flags)),
  );
}

function startRequest([cmd = "", ...args]: readonly string[], flags: RunFlags): StartRequest {
  const { pty = false, tag, env = {}, cwd, user, stdin, whileDetached } = flags;
  return {
    cmd,
    args,
    env: pty ? { ...terminalKind(), ...env } : env,
    stdin,
    ...(pty ? { pty: windowSize() ?? DEFAULT_SIZE } : {}),
    ...(tag === undefined ? {} : { tag }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(whileDetached === undefined ? {} : { output: { detached: whileDetached } }),
  };
}

/** The terminal here has to understand what the command draws, so the command gets its TERM. */
function terminalKind(): Readonly<Record<string, string>> {
  const kind = process.env["TERM"];
  return kind === undefined || kind === "" || process.stdout.isTTY !== true ? {} : { TERM: kind };
}

function startAttached(client: Client, request: StartRequest, flags: RunFlags): Promise<number> {
  const { json = false, stdin, detachKeys } = flags;
  return runSession((options) => client.start(request, options), {
    json,
    detachKeys,
    input: stdin,
    endsWithUs: true,
  });
}

async function startDetached(client: Client, request: StartRequest, { json }: RunFlags): Promise<number> {
  // The output is one line for scripts, so lost connections are not reported.
  const connection = new ConnectionWatch({ lost: () => undefined, back: () => undefined });
  const { pid, processId } = await client.start(request, connection.options);
  await writeOut(
    process.stdout,
    json === true ? `${JSON.stringify({ pid, process_id: processId })}\n` : `${pid} ${processId}\n`,
  );
  return exitCodes.done;
}
