// Runs `holdfast wait`.

import type { Client, Exit, ProcessInfo } from "../../client/index.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { findProcess, reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes, exitStatus } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { printNotice } from "../report/notices.ts";
import { writeOut } from "../report/report.ts";
import { textReport } from "../report/text-report.ts";
import { printError } from "../stdio.ts";

/** As commander names the values of the flags. */
export interface WaitFlags extends UrlFlag {
  readonly timeout?: number;
  readonly json?: boolean;
  readonly giveUpAfter?: number;
}

/** Resolves with the exit code. */
export function waitForProcesses(selectors: readonly string[], flags: WaitFlags): Promise<number> {
  const { url, giveUpAfter, timeout } = flags;
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, failureCode: () => exitCodes.ownFailure }, async (client) => {
    const infos = await processesToWaitFor(client, selectors);
    const ended = printEnds(client, infos, flags);
    if (timeout === undefined) return ended;
    const isLate = await Promise.race([ended, passed(timeout)]);
    if (isLate !== undefined) return isLate;
    printError(`the wait has ended after ${timeout / 1000} s (--timeout)`);
    return exitCodes.timedOut;
  });
}

async function processesToWaitFor(client: Client, selectors: readonly string[]): Promise<ProcessInfo[]> {
  if (selectors.length === 0) return client.list({ omitConfig: true });
  // All of them before the wait begins, so that a wrong name is an error at once.
  return Promise.all(selectors.map((selector) => findProcess(selector)));
}

/** Prints each end in the order of `infos`. Resolves with the exit code of the last one. */
async function printEnds(
  client: Client,
  infos: readonly ProcessInfo[],
  { json = false }: WaitFlags,
): Promise<number> {
  const waits = infos.map((info) => endOf(client, info));
  // The loop below reports the first failure; those after it must not count as unhandled.
  for (const wait of waits) wait.catch(() => undefined);
  let exitCode: number = exitCodes.done;
  for (const [index, info] of infos.entries()) {
    const exit = await waits[index];
    if (exit === undefined) continue;
    exitCode = exitStatus(exit);
    await writeOut(process.stdout, `${json ? toJson(info, exit, exitCode) : exitCode}\n`);
  }
  return exitCode;
}

async function endOf(client: Client, info: ProcessInfo): Promise<Exit> {
  if (info.exit !== undefined) return info.exit;
  if (info.blockedMs !== undefined)
    printNotice(`process ${info.pid} waits for a client that reads its output: holdfast attach ${info.pid}`);
  const connection = new ConnectionWatch(textReport());
  const remote = await client.attach(info.processId, {
    ...connection.options,
    endOnly: true,
    fromOffset: info.offset,
  });
  return remote.discardOutput();
}

/** Uses the names of the wire. */
function toJson({ pid, processId, tag }: ProcessInfo, exit: Exit, code: number): string {
  const { exitCode, exited, status, signal, timedOut } = exit;
  return JSON.stringify({
    ...{ pid, process_id: processId, tag: tag ?? null, code },
    ...{ exit_code: exitCode, exited, status, signal: signal ?? null, timed_out: timedOut },
  });
}

function passed(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
}
