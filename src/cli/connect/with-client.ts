// How a command uses an agent: it gets a client and finds its process; each failure becomes one line and an exit code.

import { constants } from "node:os";
import { createAgentClient } from "../../client/agent-client.ts";
import {
  type Client,
  ClientError,
  ProcessGoneError,
  type ProcessInfo,
  type ReconnectOptions,
  type Selector,
} from "../../client/index.ts";
import { exitCodes } from "../exit-codes.ts";
import { ReaderGoneError } from "../report/report.ts";
import { endAfterFlush, printError } from "../stdio.ts";
import { accessOfChosenAgent } from "./chosen-agent.ts";
import { explainFailure } from "./client-failure.ts";

export interface ClientUse {
  readonly url: string;
  readonly reconnect?: ReconnectOptions;
  /** The user of calls about files, and the default one of processes. */
  readonly user?: string | undefined;
  /** The exit code when `act` rejects, except with a ReaderGoneError: that is 141 and prints nothing. */
  failureCode(error: unknown): number;
}

/** For commands with one call: the user can repeat them. */
export const ONE_TRY: ReconnectOptions = { callRetryMs: 0 };

/** The default of the client, see its ReconnectOptions. */
const CALL_RETRY_MS = 30_000;

/** For commands that stay connected. `giveUpAfterMs` comes from the user and also limits the first connection. */
export function reconnectFor(giveUpAfterMs: number | undefined): ReconnectOptions {
  if (giveUpAfterMs === undefined) return {};
  return { giveUpAfterMs, callRetryMs: Math.min(giveUpAfterMs, CALL_RETRY_MS) };
}

/** Resolves with the exit code that `act` resolves with; never rejects. */
export async function withClient(
  { url, reconnect = {}, user, failureCode }: ClientUse,
  act: (client: Client) => Promise<number>,
): Promise<number> {
  const fail = async (error: unknown): Promise<number> => {
    if (error instanceof ReaderGoneError) return exitCodes.interrupted(constants.signals.SIGPIPE);
    printError(await explainFailure(error, url));
    return failureCode(error);
  };
  // Also gets rejections: Node raises an unhandled one as an uncaught exception.
  process.on("uncaughtException", (error) => void fail(error).then(endAfterFlush));
  let client: Client | undefined;
  try {
    client = newClient(reconnect, user);
    return await act(client);
  } catch (error) {
    return await fail(error);
  } finally {
    client?.close();
  }
}

/** A client of the chosen agent. The caller closes it. */
export function newClient(reconnect: ReconnectOptions, user?: string): Client {
  return createAgentClient({ reconnect, ...(user === undefined ? {} : { user }), ...accessOfChosenAgent() });
}

/**
 * The process that SELECTOR on the command line names: first by process_id, then by pid, then by tag; a running process
 * before an ended one. Rejects with ProcessGoneError. Address the process by its processId from then on: another
 * process can get the pid or the tag at any time.
 */
export async function findProcess(selector: string): Promise<ProcessInfo> {
  const client = newClient(ONE_TRY);
  try {
    return await matchIn(await client.list({ includeEnded: true, omitConfig: true }), selector, client);
  } finally {
    client.close();
  }
}

const EMPTY_SELECTOR = "the name of the process is empty; give its pid, tag or process_id (holdfast ps)";

/** The same in a list that `client` has received. */
export async function matchIn(
  processes: readonly ProcessInfo[],
  selector: string,
  client: Client,
): Promise<ProcessInfo> {
  // A process that another client started may have an empty tag; a variable that is not set must not name it.
  if (selector === "") throw new ProcessGoneError(EMPTY_SELECTOR);
  const found = firstMatch(processes, selector);
  if (found === undefined) throw await explainMissing(client, selector);
  return found;
}

/** The only running process. Rejects with a ClientError that names the processes to choose from. */
export async function findOnly(): Promise<ProcessInfo> {
  const client = newClient(ONE_TRY);
  try {
    const running = await client.list();
    const [only, ...more] = running;
    if (only !== undefined && more.length === 0) return only;
    if (only === undefined)
      throw new ProcessGoneError("no process runs (holdfast ps --all lists ended ones)");
    const names = running.slice(0, MAX_NAMED).map(({ pid, tag, cmd }) => `${pid} (${tag ?? cmd})`);
    const rest = running.length > MAX_NAMED ? ", …" : "";
    throw new ClientError(
      "failed_precondition",
      `${running.length} processes run; name one of them: ${names.join(", ")}${rest}`,
    );
  } finally {
    client.close();
  }
}

const MAX_NAMED = 10;

/** The agent knows why an ended process is gone, and says so to a client that attaches. */
async function explainMissing(client: Client, selector: string): Promise<ProcessGoneError> {
  const missing = `no process has the pid, tag or process_id "${selector}"`;
  const pid = /^\d{1,10}$/.test(selector) ? [{ pid: Number(selector) }] : [];
  for (const asked of [{ processId: selector }, ...pid, { tag: selector }]) {
    const reason = await whyGone(client, asked);
    if (reason !== undefined) return new ProcessGoneError(`${missing}: ${reason}`);
  }
  return new ProcessGoneError(`${missing} (holdfast ps --all lists them)`);
}

async function whyGone(client: Client, selector: Selector): Promise<string | undefined> {
  try {
    // It does not exist, unless it was started just now.
    (await client.attach(selector, { endOnly: true, fromOffset: 0 })).detach();
    return undefined;
  } catch (error) {
    return error instanceof ProcessGoneError
      ? /: (process \d+ ended .*)$/s.exec(error.message)?.[1]
      : undefined;
  }
}

/** `processes` are in the order of Client.list: ended ones first, and the oldest of each kind first. */
function firstMatch(processes: readonly ProcessInfo[], selector: string): ProcessInfo | undefined {
  return (
    processes.findLast(({ processId }) => processId === selector) ??
    processes.findLast(({ pid }) => String(pid) === selector) ??
    processes.findLast(({ tag }) => tag === selector)
  );
}
