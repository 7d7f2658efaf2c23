// Runs `holdfast signal` and `holdfast kill`.

import { type Client, ProcessGoneError, type ProcessInfo, type SignalName } from "../../client/index.ts";
import { explainFailure } from "../connect/client-failure.ts";
import { findProcess, ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";
import { printError } from "../stdio.ts";

/** As commander names the values of the flags. */
export interface SignalFlags extends UrlFlag {
  readonly group?: boolean;
  readonly signal?: SignalName;
  readonly json?: boolean;
}

/** Resolves with the exit code. A process that cannot be signalled does not keep the others from it. */
export function signalProcesses(
  selectors: readonly string[],
  signal: SignalName,
  { url, group = false, json = false }: SignalFlags,
): Promise<number> {
  return withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async (client) => {
    let exitCode: number = exitCodes.done;
    for (const selector of selectors) {
      try {
        const { pid, processId } = await signalOne(client, selector, { signal, group });
        const sent = { pid, process_id: processId, signal, group };
        if (json) await writeOut(process.stdout, `${JSON.stringify(sent)}\n`);
      } catch (error) {
        // The same will happen to the others.
        if (!(error instanceof ProcessGoneError)) throw error;
        printError(await explainFailure(error, url));
        exitCode = exitCodes.failed;
      }
    }
    return exitCode;
  });
}

async function signalOne(
  client: Client,
  selector: string,
  { signal, group }: { readonly signal: SignalName; readonly group: boolean },
): Promise<ProcessInfo> {
  const info = await findProcess(selector);
  const { pid, processId, exit } = info;
  if (exit !== undefined) throw new ProcessGoneError(`process ${pid} has ended: ${exit.status}`);
  await client.signal(processId, signal, { group });
  return info;
}
