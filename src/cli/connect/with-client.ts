// How a command uses an agent: it gets a client and finds its process; each failure becomes one line and an exit code.

import { constants } from "node:os";
import {
  type Client,
  createClient,
  ProcessGoneError,
  type ProcessInfo,
  type ReconnectOptions,
} from "../../client/index.ts";
import { exitCodes } from "../exit-codes.ts";
import { ReaderGoneError } from "../report/report.ts";
import { endAfterFlush, printError } from "../stdio.ts";
import { accessOfChosenAgent } from "./chosen-agent.ts";
import { explainFailure } from "./client-failure.ts";

export interface ClientUse {
  readonly url: string;
  readonly reconnect?: ReconnectOptions;
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
  { url, reconnect = {}, failureCode }: ClientUse,
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
    client = createClient({ reconnect, ...accessOfChosenAgent() });
    return await act(client);
  } catch (error) {
    return await fail(error);
  } finally {
    client?.close();
  }
}

/**
 * The process that SELECTOR on the command line names: first by process_id, then by pid, then by tag; a running process
 * before an ended one. Rejects with ProcessGoneError. Address the process by its processId from then on: another
 * process can get the pid or the tag at any time.
 */
export async function findProcess(selector: string): Promise<ProcessInfo> {
  const client = createClient({ reconnect: ONE_TRY, ...accessOfChosenAgent() });
  try {
    return firstMatch(await client.list({ includeEnded: true }), selector);
  } finally {
    client.close();
  }
}

/** `processes` are in the order of Client.list: ended ones first, and the oldest of each kind first. */
export function firstMatch(processes: readonly ProcessInfo[], selector: string): ProcessInfo {
  const found =
    processes.findLast(({ processId }) => processId === selector) ??
    processes.findLast(({ pid }) => String(pid) === selector) ??
    processes.findLast(({ tag }) => tag === selector);
  if (found !== undefined) return found;
  throw new ProcessGoneError(
    `no process has the pid, tag or process_id "${selector}" (holdfast ps --all lists them)`,
  );
}
