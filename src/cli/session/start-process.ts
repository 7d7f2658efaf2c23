// Runs `holdfast run`.

import { isatty } from "node:tty";
import { type Client, ClientError, type RemoteProcess, type StartRequest } from "../../client/index.ts";
import { refusedCommand } from "../connect/client-failure.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { SessionFlags } from "../options/session-flags.ts";
import { printNotice } from "../report/notices.ts";
import { writeOut } from "../report/report.ts";
import { type CommandFlags, commandFields } from "./command-flags.ts";
import { runSession } from "./session.ts";
import { DEFAULT_SIZE, windowSize } from "./terminal.ts";

type DetachedMode = NonNullable<NonNullable<StartRequest["output"]>["detached"]>;

/** As commander names the values of the flags. */
export interface RunFlags extends SessionFlags, CommandFlags {
  readonly interactive?: boolean;
  readonly pty?: boolean;
  readonly tty?: boolean;
  readonly detach?: boolean;
  readonly tag?: string;
  readonly name?: string;
  readonly timeout?: number;
  readonly rm?: boolean;
  readonly whileDetached?: DetachedMode;
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
    async (client) => {
      try {
        return await (detach ? startDetached(client, request, flags) : startAttached(client, request, flags));
      } catch (error) {
        throw await explainName(error, request, client);
      }
    },
  );
}

/** `docker exec NAME COMMAND` names a container first. Here the command is not found. */
async function explainName(
  error: unknown,
  { cmd, args = [] }: StartRequest,
  client: Client,
): Promise<unknown> {
  if (refusedCommand(error) !== exitCodes.notFound || !(error instanceof ClientError)) return error;
  const [named] = await client.list({ process: { tag: cmd }, omitConfig: true }).catch(() => []);
  if (named === undefined) return error;
  const without = args.length > 0 ? `holdfast run -- ${args.join(" ")}` : `holdfast attach ${cmd}`;
  const message = `${error.message}; it is the name of process ${named.pid}, and a command runs beside it: ${without}`;
  return new ClientError(error.code, message, { cause: error });
}

function startRequest([cmd = "", ...args]: readonly string[], flags: RunFlags): StartRequest {
  const { name, tag = name, timeout, rm = false, detach = false, interactive = false, stdin } = flags;
  const pty = isOnPty(flags);
  const { env, ...fields } = commandFields(flags);
  return {
    cmd,
    args,
    ...fields,
    env: pty ? { ...terminalKind(), ...env } : env,
    stdin: interactive && stdin,
    output: { detached: flags.whileDetached ?? (pty || detach ? "ring" : "buffer") },
    forgetDelivered: rm,
    ...(pty ? { pty: windowSize() ?? DEFAULT_SIZE } : {}),
    ...(tag === undefined ? {} : { tag }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
}

function isOnPty({ pty = false, tty = false }: RunFlags): boolean {
  return pty || tty;
}

/** The terminal here has to understand what the command draws, so the command gets its TERM. */
export function terminalKind(): Readonly<Record<string, string>> {
  const kind = process.env["TERM"];
  return kind === undefined || kind === "" || process.stdout.isTTY !== true ? {} : { TERM: kind };
}

function startAttached(client: Client, request: StartRequest, flags: RunFlags): Promise<number> {
  const { json = false, interactive = false, stdin, detachKeys, signals } = flags;
  const hasKeys = isOnPty(flags) && isatty(0);
  return runSession(
    async (options) => {
      const remote = await client.start(request, options);
      warnOfSameTag(remote, request);
      return remote;
    },
    {
      json,
      detachKeys,
      signals,
      input: stdin && (interactive || hasKeys) ? "asked" : "none",
      endsWithUs: true,
    },
  );
}

/** A tag selects one process, the newest. */
function warnOfSameTag({ sameTag, pid }: RemoteProcess, { tag }: StartRequest): void {
  if (sameTag === 0) return;
  const others = sameTag === 1 ? "another live process has" : `${sameTag} other live processes have`;
  printNotice(`${others} the tag "${tag}"; from now on the tag selects process ${pid}`);
}

async function startDetached(
  client: Client,
  request: StartRequest,
  { json = false }: RunFlags,
): Promise<number> {
  // The output is one line for scripts, so lost connections are not reported.
  const connection = new ConnectionWatch({ lost: () => undefined, back: () => undefined });
  // Output that this command received would count as delivered, and the next client would not get it.
  const remote = await client.start({ ...request, endOnly: true }, connection.options);
  const { pid, processId } = remote;
  const mode = request.output?.detached ?? "ring";
  if (!json) printNotice(`detached mode ${mode}: ${modeWords[mode]}`);
  warnOfSameTag(remote, request);
  await writeOut(
    process.stdout,
    json ? `${JSON.stringify({ pid, process_id: processId })}\n` : `${pid} ${processId}\n`,
  );
  return exitCodes.done;
}

/** For a person who leaves the process to itself. */
const modeWords: Readonly<Record<DetachedMode, string>> = {
  block: "the process waits once its pipe is full, until a client attaches",
  buffer: "the agent keeps the output until its buffer is full; then the process waits for a client",
  ring: "the process never waits, and the agent keeps only the newest output; --while-detached buffer keeps all of it",
};
