// What `holdfast signal` does.

import { ProcessGoneError, type SignalName } from "../../client/index.ts";
import { findProcess, ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";

/** As commander names the values of the flags. */
export interface SignalFlags extends UrlFlag {
  readonly group?: boolean;
}

/** Resolves with the exit code. */
export function signalProcess(
  selector: string,
  signal: SignalName,
  { url, group = false }: SignalFlags,
): Promise<number> {
  return withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async (client) => {
    const { pid, processId, exit } = await findProcess(selector);
    if (exit !== undefined) throw new ProcessGoneError(`process ${pid} has ended: ${exit.status}`);
    await client.signal(processId, signal, { group });
    return exitCodes.done;
  });
}
