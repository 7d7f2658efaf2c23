// One command's use of an agent: a client, and one line and an exit code for whatever goes wrong.
import { constants } from "node:os";
import { type Client, createClient, type ReconnectOptions } from "../../client/index.ts";
import { exitCodes } from "../exit-codes.ts";
import { ReaderGoneError } from "../report/report.ts";
import { endAfterFlush, printError } from "../stdio.ts";
import { describeFailure } from "./client-failure.ts";
import { clientToken } from "./client-token.ts";

export interface ClientUse {
  readonly url: string;
  readonly reconnect?: ReconnectOptions;
  /** The exit code when `act` rejects; but for a ReaderGoneError, which is 141, without a word. */
  failureCode(error: unknown): number;
}

/** For commands that ask once: who typed it is there to ask again. */
export const ONE_TRY: ReconnectOptions = { callRetryMs: 0 };

/** The client's own, which is there for a reason: see its ReconnectOptions. */
const CALL_RETRY_MS = 30_000;

/** For commands that stay: `giveUpAfterMs` is the user's, for the first connection, too. */
export function patience(giveUpAfterMs: number | undefined): ReconnectOptions {
  if (giveUpAfterMs === undefined) return {};
  return { giveUpAfterMs, callRetryMs: Math.min(giveUpAfterMs, CALL_RETRY_MS) };
}

/** Resolves with the exit code that `act` resolves with; never rejects. */
export async function withClient(
  { url, reconnect = {}, failureCode }: ClientUse,
  act: (client: Client) => Promise<number>,
): Promise<number> {
  const fail = (error: unknown): number => {
    if (error instanceof ReaderGoneError) return exitCodes.interrupted(constants.signals.SIGPIPE);
    printError(describeFailure(error, url));
    return failureCode(error);
  };
  // Rejections come here too: Node raises an unhandled one as an uncaught exception.
  process.on("uncaughtException", (error) => void endAfterFlush(fail(error)));
  let client: Client | undefined;
  try {
    client = createClient({ baseUrl: url, reconnect, ...clientToken(process.env) });
    return await act(client);
  } catch (error) {
    return fail(error);
  } finally {
    client?.close();
  }
}
