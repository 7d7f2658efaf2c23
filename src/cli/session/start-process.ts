// What `holdfast run` does.
import type { Client, StartRequest } from "../../client/index.ts";
import { refusedCommand } from "../connect/client-failure.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { patience, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import { writeOut } from "../report/report.ts";
import type { RunFlags } from "./run.ts";
import { runSession } from "./session.ts";
import { USUAL_SIZE, windowSize } from "./window-size.ts";

/** Resolves with the exit code. */
export async function startProcess(words: readonly string[], flags: RunFlags): Promise<number> {
  const { url, giveUpAfter, detach = false } = flags;
  const request = startRequest(words, flags);
  return withClient(
    {
      url,
      reconnect: patience(giveUpAfter),
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
    ...(pty ? { pty: windowSize() ?? USUAL_SIZE } : {}),
    ...(tag === undefined ? {} : { tag }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(whileDetached === undefined ? {} : { output: { detached: whileDetached } }),
  };
}

/** What programs draw, this terminal has to understand. */
function terminalKind(): Readonly<Record<string, string>> {
  const kind = process.env["TERM"];
  return kind === undefined || kind === "" || process.stdout.isTTY !== true ? {} : { TERM: kind };
}

function startAttached(client: Client, request: StartRequest, flags: RunFlags): Promise<number> {
  const { json = false, stdin, detachKeys, urlFlag } = flags;
  return runSession((options) => client.start(request, options), {
    urlFlag,
    json,
    detachKeys,
    input: stdin,
    isOurs: true,
  });
}

async function startDetached(client: Client, request: StartRequest, { json }: RunFlags): Promise<number> {
  // Whoever waits for one line is not told of what it took to get it.
  const connection = new ConnectionWatch({ lost: () => undefined, back: () => undefined });
  const { pid, processId } = await client.start(request, connection.options);
  await writeOut(
    process.stdout,
    json === true ? `${JSON.stringify({ pid, process_id: processId })}\n` : `${pid} ${processId}\n`,
  );
  return exitCodes.done;
}
